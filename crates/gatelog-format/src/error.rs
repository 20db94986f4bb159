//! What is wrong with a format, or with a line.

use std::fmt;

/// A format that cannot be used. Whoever wrote it mends it; nothing fails when a line is rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at byte {position}{}", In(.key.as_deref()))]
pub struct FormatError {
    problem: Problem,
    position: usize,
    key: Option<String>,
    text: Option<String>,
}

/// Names the member of a JSON format.
struct In<'k>(Option<&'k str>);

impl fmt::Display for In<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, " of the text at `{key}`"),
            None => Ok(()),
        }
    }
}

impl FormatError {
    pub(crate) fn new(problem: Problem, position: usize) -> Self {
        Self {
            problem,
            position,
            key: None,
            text: None,
        }
    }

    /// The same with the text that the position is in, if it is not known yet.
    pub(crate) fn of(mut self, text: &str) -> Self {
        self.text.get_or_insert_with(|| text.to_owned());
        self
    }

    /// The same in the text of a member of a JSON format.
    pub(crate) fn below(mut self, key: &str) -> Self {
        self.key = Some(match self.key {
            Some(inner) => format!("{key}.{inner}"),
            None => key.to_owned(),
        });
        self
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Byte of the `%` with which the operator begins, in the format; in a JSON format, in the text
    /// of the member that [`key`](Self::key) names.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The text that the position is in: the format, or the text of a member of a JSON format. `None`
    /// where it is not known any more.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The member of a JSON format, its names joined with `.`; `None` for a text format.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// What is wrong with a format. The variants are Envoy's errors, one for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A `%` at which no operator can be read.
    #[error("no operator begins at this `%`: {hint}")]
    Syntax {
        /// What was probably meant.
        hint: String,
    },
    /// No operator has this name.
    #[error("unknown operator `{name}`{}", Meant(*.nearest))]
    UnknownOperator {
        /// The name as it is written.
        name: String,
        /// The known name that is most like it.
        nearest: Option<&'static str>,
    },
    /// The operator needs an argument.
    #[error("{operator} requires an argument: `%{operator}(…)%`")]
    ArgumentMissing {
        /// Its name.
        operator: &'static str,
    },
    /// The operator takes neither an argument nor a length.
    #[error("{operator} takes neither an argument nor a length: `%{operator}%`")]
    TakesNothing {
        /// Its name.
        operator: &'static str,
    },
    /// The operator takes no length.
    #[error("{operator} does not allow a length (`:N`)")]
    LengthNotAllowed {
        /// Its name.
        operator: &'static str,
    },
    /// More than one `?` in a header operator.
    #[error("more than one alternative header in `{argument}`: write `X?Y`")]
    TwoAlternatives {
        /// The argument as it is written.
        argument: String,
    },
    /// A header name with characters that none can have.
    #[error("`{name}` is no header name: it holds characters that none can have")]
    HeaderName {
        /// The name as it is written.
        name: String,
    },
    /// A time format with `%n`.
    #[error("the time format holds a line break (`%n`)")]
    TimeNewline,
    /// No key of the filter state.
    #[error("the key of the filter state is empty: write `KEY:PLAIN`")]
    FilterStateKey,
    /// Another form than the three there are.
    #[error("a filter state is printed as PLAIN, TYPED or FIELD, not as `{found}`")]
    FilterStateForm {
        /// The form as it is written.
        found: String,
    },
    /// `FIELD` without a field, or a field without `FIELD`.
    #[error("FIELD needs the name of a field, and only FIELD takes one: `KEY:FIELD:NAME`")]
    FilterStateField,
    /// Another kind of metadata than those there are.
    #[error(
        "`{found}` is no kind of metadata: it is one of {}",
        crate::exchange::Metadata::NAMES
    )]
    MetadataKind {
        /// The kind as it is written.
        found: String,
    },
    /// Another form than the three there are.
    #[error("a gRPC status is printed as CAMEL_STRING, SNAKE_STRING or NUMBER, not as `{found}`")]
    GrpcForm {
        /// The form as it is written.
        found: String,
    },
    /// Not two points, or more than a precision behind them.
    #[error("`{argument}` names no duration: write `FROM:TO` or `FROM:TO:us`")]
    DurationPoints {
        /// The argument as it is written.
        argument: String,
    },
    /// Another precision than the three there are.
    #[error("a duration is in ms, us or ns, not in `{found}`")]
    DurationPrecision {
        /// The precision as it is written.
        found: String,
    },
    /// An option that the operator does not have.
    #[error("{operator} has no option `{found}`: it is one of {allowed}")]
    UnknownOption {
        /// The operator's name.
        operator: &'static str,
        /// The option as it is written.
        found: String,
        /// Those that are allowed.
        allowed: &'static str,
    },
    /// The argument of COALESCE is not what it takes.
    #[error("COALESCE: {0}")]
    Coalesce(String),
    /// The expression of `CEL` or `TYPED_CEL` cannot be read, or this build has no expressions.
    #[error("cannot read the expression: {0}")]
    Expression(String),
    /// A JSON format is an object of texts, constants, lists and objects.
    #[error("{0}")]
    JsonFormat(String),
    /// Lines of the format cannot be read back: two values stand side by side.
    #[error(
        "lines cannot be read back: nothing stands between {operator} and what is before it; put a \
         separator there"
    )]
    Touching {
        /// The second of the two.
        operator: &'static str,
    },
    /// Lines of the format cannot be read back: no operator fills a field of a record.
    #[error("lines cannot be read back: no operator of the format fills a field of a record")]
    NothingToRead,
}

struct Meant(Option<&'static str>);

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "; did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

/// A line that is none of its format's. It goes to the dead letter with this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at byte {position} of the line")]
pub struct ReadError {
    problem: ReadProblem,
    position: usize,
}

impl ReadError {
    pub(crate) fn new(problem: ReadProblem, position: usize) -> Self {
        Self { problem, position }
    }

    /// The same at another place.
    pub(crate) fn at(&self, position: usize) -> Self {
        Self::new(self.problem.clone(), position)
    }

    /// What is wrong.
    pub fn problem(&self) -> &ReadProblem {
        &self.problem
    }

    /// The byte of the line up to which it could be read.
    pub fn position(&self) -> usize {
        self.position
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadProblem {
    /// Text of the format that is not in the line.
    #[error("expected `{expected}`")]
    LiteralMissing {
        /// The text, shortened.
        expected: String,
    },
    /// A value that the operator cannot have printed.
    #[error("the value of {operator} is none: `{found}`")]
    Value {
        /// The operator's name.
        operator: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// The line is not JSON, and its format is.
    #[error("malformed JSON: {0}")]
    Json(String),
}
