//! From tokens to tree.
//!
//! **Shape.** Recursive descent with a table of precedences. What the text alone tells is done here:
//! paths of attributes are joined, patterns compiled, negative numbers made.
//!
//! **Limits.** No tree is deeper than [`MAX_DEPTH`]: neither this nor the evaluation can run out of
//! stack.

use crate::arithmetic::Operator;
use crate::error::ParseError;
use crate::expression::{MAX_BYTES, MAX_DEPTH, MAX_PATH};
use crate::function::{Form, Function};
use crate::syntax::{Kind, Node};
use crate::token::{Token, Tokens};
use crate::{Value, function};

/// Words that the specification keeps for itself.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Macros that loop. Envoy has them switched off.
const COMPREHENSIONS: [&str; 5] = ["all", "exists", "exists_one", "map", "filter"];

/// What may stand between two operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Infix {
    Or,
    And,
    In,
    Operator(Operator),
}

impl Infix {
    /// With how tightly it binds.
    fn of(token: &Token<'_>) -> Option<(Self, u8)> {
        Some(match token {
            Token::Sign("||") => (Self::Or, 0),
            Token::Sign("&&") => (Self::And, 1),
            Token::Name("in") => (Self::In, 2),
            Token::Sign(sign) => {
                let (operator, tightness) = Operator::of(sign)?;
                (Self::Operator(operator), tightness)
            }
            _ => return None,
        })
    }
}

/// A tree and its depth.
type Parsed = (Node, usize);

pub(crate) fn parse(text: &str) -> Result<Node, ParseError> {
    if text.len() > MAX_BYTES {
        let message = format!("the expression is longer than {MAX_BYTES} bytes");
        return Err(ParseError::new(MAX_BYTES, message));
    }
    let mut tokens = Tokens::new(text);
    let (at, token) = tokens.next()?;
    let mut parser = Parser {
        tokens,
        at,
        token,
        level: 0,
    };
    let (node, _) = parser.expression()?;
    match parser.token {
        Token::End => Ok(node),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'t> {
    tokens: Tokens<'t>,
    /// Where `token` begins.
    at: usize,
    token: Token<'t>,
    /// How many brackets and operators wait.
    level: usize,
}

impl<'t> Parser<'t> {
    fn advance(&mut self) -> Result<Token<'t>, ParseError> {
        let (at, token) = self.tokens.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn is(&self, sign: &str) -> bool {
        matches!(&self.token, Token::Sign(found) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> Result<bool, ParseError> {
        let is = self.is(sign);
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn expect(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.take(sign)? {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}`")))
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let found = match &self.token {
            Token::End => "the end".to_owned(),
            Token::Name(name) => format!("`{name}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => "a number".to_owned(),
            Token::Text(_) | Token::Bytes(_) => "a text".to_owned(),
        };
        ParseError::new(self.at, format!("expected {expected}, found {found}"))
    }

    /// A node above others, if it is not too deep.
    fn above(at: usize, kind: Kind, depth: usize) -> Result<Parsed, ParseError> {
        if depth >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        Ok((Node { at, kind }, depth + 1))
    }

    fn expression(&mut self) -> Result<Parsed, ParseError> {
        let condition = self.operation(0)?;
        let at = self.at;
        if !self.take("?")? {
            return Ok(condition);
        }
        self.level += 1;
        if self.level > MAX_DEPTH {
            return Err(too_deep(at));
        }
        let then = self.operation(0)?;
        self.expect(":")?;
        let otherwise = self.expression()?;
        self.level -= 1;
        let depth = condition.1.max(then.1).max(otherwise.1);
        let parts = Box::new([condition.0, then.0, otherwise.0]);
        Self::above(at, Kind::Conditional(parts), depth)
    }

    /// Operands and the operators between them that bind at least so tightly.
    fn operation(&mut self, tightness: u8) -> Result<Parsed, ParseError> {
        self.level += 1;
        if self.level > MAX_DEPTH {
            return Err(too_deep(self.at));
        }
        let mut left = self.unary()?;
        loop {
            let at = self.at;
            let Some((infix, found)) = Infix::of(&self.token).filter(|(_, is)| *is >= tightness)
            else {
                self.level -= 1;
                return Ok(left);
            };
            self.advance()?;
            let right = self.operation(found + 1)?;
            left = match infix {
                Infix::Or | Infix::And => Self::joined(at, infix, left, right)?,
                Infix::In => {
                    let depth = left.1.max(right.1);
                    Self::above(at, Kind::In(left.0.into(), right.0.into()), depth)?
                }
                Infix::Operator(operator) => Self::binary(at, operator, left, right)?,
            };
        }
    }

    /// A chain of one of these is one node, however long.
    fn joined(at: usize, infix: Infix, left: Parsed, right: Parsed) -> Result<Parsed, ParseError> {
        let is_and = infix == Infix::And;
        match left.0.kind {
            Kind::Or(mut nodes) if !is_and => {
                nodes.push(right.0);
                let depth = left.1.max(right.1 + 1);
                Self::above(at, Kind::Or(nodes), depth - 1)
            }
            Kind::And(mut nodes) if is_and => {
                nodes.push(right.0);
                let depth = left.1.max(right.1 + 1);
                Self::above(at, Kind::And(nodes), depth - 1)
            }
            kind => {
                let left_node = Node { kind, ..left.0 };
                let nodes = vec![left_node, right.0];
                let kind = if is_and { Kind::And } else { Kind::Or };
                Self::above(at, kind(nodes), left.1.max(right.1))
            }
        }
    }

    fn binary(
        at: usize,
        operator: Operator,
        left: Parsed,
        right: Parsed,
    ) -> Result<Parsed, ParseError> {
        let depth = left.1.max(right.1);
        Self::above(
            at,
            Kind::Binary(operator, left.0.into(), right.0.into()),
            depth,
        )
    }

    fn unary(&mut self) -> Result<Parsed, ParseError> {
        let mut signs = Vec::new();
        while self.is("!") || self.is("-") {
            if signs.len() >= MAX_DEPTH {
                return Err(too_deep(self.at));
            }
            signs.push((self.at, self.is("!")));
            self.advance()?;
        }
        if let (Token::Int(digits), Some((at, false))) = (&self.token, signs.last()) {
            let at = *at;
            let number = 0i64.checked_sub_unsigned(*digits);
            let number = number.ok_or_else(|| too_large(at))?;
            signs.pop();
            self.advance()?;
            let literal = literal(at, Value::Int(number));
            return Self::signed(signs, self.member(literal)?);
        }
        let primary = self.primary()?;
        let member = self.member(primary)?;
        Self::signed(signs, member)
    }

    fn signed(signs: Vec<(usize, bool)>, operand: Parsed) -> Result<Parsed, ParseError> {
        signs
            .into_iter()
            .rev()
            .try_fold(operand, |(node, depth), (at, is_not)| {
                let kind = if is_not { Kind::Not } else { Kind::Negate };
                Self::above(at, kind(Box::new(node)), depth)
            })
    }

    /// What may follow a primary: `.name`, `.call()`, `[index]`.
    fn member(&mut self, mut parsed: Parsed) -> Result<Parsed, ParseError> {
        loop {
            let at = self.at;
            if self.take(".")? {
                let name_at = self.at;
                let Token::Name(name) = self.token else {
                    return Err(self.unexpected("a name"));
                };
                self.advance()?;
                parsed = if self.is("(") {
                    self.call(name_at, name, Some(parsed))?
                } else {
                    select(name_at, parsed, name)?
                };
            } else if self.take("[")? {
                let index = self.expression()?;
                self.expect("]")?;
                parsed = match (parsed.0.kind, index.0.kind) {
                    (kind @ Kind::Path(_), Kind::Literal(Value::String(name))) => {
                        let node = Node {
                            at: parsed.0.at,
                            kind,
                        };
                        select(at, (node, parsed.1), &name)?
                    }
                    (base, kind) => {
                        let base = Node {
                            kind: base,
                            ..parsed.0
                        };
                        let index_node = Node { kind, ..index.0 };
                        let depth = parsed.1.max(index.1);
                        let kind = Kind::Index(base.into(), index_node.into());
                        Self::above(at, kind, depth)?
                    }
                };
            } else if self.is("{") {
                return Err(ParseError::new(at, "messages (`T{…}`) are not supported"));
            } else {
                return Ok(parsed);
            }
        }
    }

    fn primary(&mut self) -> Result<Parsed, ParseError> {
        let at = self.at;
        match &self.token {
            Token::Sign("(") => {
                self.advance()?;
                let inner = self.expression()?;
                self.expect(")")?;
                // In brackets a path stays a path: `(request).path`.
                Ok(inner)
            }
            Token::Sign("[") => {
                self.advance()?;
                let (nodes, depth) = self.list("]")?;
                Self::above(at, Kind::List(nodes), depth)
            }
            Token::Sign("{") => self.map(at),
            Token::Sign(".") => {
                self.advance()?;
                match self.token {
                    Token::Name(name) => self.name(at, name),
                    _ => Err(self.unexpected("a name")),
                }
            }
            Token::Name(name) => {
                let name = *name;
                self.name(at, name)
            }
            Token::Sign(_) | Token::End => Err(self.unexpected("a value")),
            _ => {
                let value = match self.advance()? {
                    Token::Int(digits) => {
                        Value::Int(i64::try_from(digits).map_err(|_| too_large(at))?)
                    }
                    Token::Uint(number) => Value::Uint(number),
                    Token::Double(number) => Value::Double(number),
                    Token::Text(text) => Value::String(text.into_owned().into()),
                    Token::Bytes(bytes) => Value::Bytes(bytes.into()),
                    _ => Value::Null,
                };
                Ok(literal(at, value))
            }
        }
    }

    fn name(&mut self, at: usize, name: &str) -> Result<Parsed, ParseError> {
        let constant = match name {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            "in" => return Err(self.unexpected("a value")),
            _ => None,
        };
        if RESERVED.contains(&name) {
            let message = format!("`{name}` is a reserved word");
            return Err(ParseError::new(at, message));
        }
        self.advance()?;
        if let Some(constant) = constant {
            return Ok(literal(at, constant));
        }
        if self.is("(") {
            return self.call(at, name, None);
        }
        let kind = Kind::Path(Box::new([name.into()]));
        Ok((Node { at, kind }, 1))
    }

    /// Elements up to a closing bracket; a comma may stand behind the last.
    fn list(&mut self, close: &str) -> Result<(Vec<Node>, usize), ParseError> {
        let (mut nodes, mut depth) = (Vec::new(), 0);
        while !self.is(close) {
            let (node, next) = self.expression()?;
            nodes.push(node);
            depth = depth.max(next);
            if !self.take(",")? {
                break;
            }
        }
        self.expect(close)?;
        Ok((nodes, depth))
    }

    fn map(&mut self, at: usize) -> Result<Parsed, ParseError> {
        self.advance()?;
        let (mut entries, mut depth) = (Vec::new(), 0);
        while !self.is("}") {
            let (key, key_depth) = self.expression()?;
            self.expect(":")?;
            let (value, value_depth) = self.expression()?;
            entries.push((key, value));
            depth = depth.max(key_depth).max(value_depth);
            if !self.take(",")? {
                break;
            }
        }
        self.expect("}")?;
        Self::above(at, Kind::Map(entries), depth)
    }

    fn call(
        &mut self,
        at: usize,
        name: &str,
        receiver: Option<Parsed>,
    ) -> Result<Parsed, ParseError> {
        self.expect("(")?;
        let form = if receiver.is_some() {
            Form::Receiver
        } else {
            Form::Global
        };
        if form == Form::Receiver && COMPREHENSIONS.contains(&name) {
            let message = format!("`{name}` is not supported, as in Envoy");
            return Err(ParseError::new(at, message));
        }
        if form == Form::Global && name == "has" {
            return self.has(at);
        }
        let function = Function::find(name, form)
            .ok_or_else(|| ParseError::new(at, function::unknown(name)))?;
        let (mut nodes, mut depth) = (Vec::new(), 0);
        if let Some((node, receiver_depth)) = receiver {
            nodes.push(node);
            depth = receiver_depth;
        }
        let (arguments, arguments_depth) = self.list(")")?;
        nodes.extend(arguments);
        depth = depth.max(arguments_depth);
        if !function.takes(nodes.len()) {
            let message = format!("`{name}` does not take so many arguments");
            return Err(ParseError::new(at, message));
        }
        if function == Function::Matches
            && let [
                _,
                Node {
                    at: pattern_at,
                    kind: Kind::Literal(Value::String(pattern)),
                },
            ] = nodes.as_slice()
        {
            let regex = function::pattern(pattern).map_err(|reason| {
                let message = format!("not a regular expression: {reason}");
                ParseError::new(*pattern_at, message)
            })?;
            if let Some(text) = nodes.into_iter().next() {
                return Self::above(at, Kind::Matches(text.into(), regex), depth);
            }
            return Err(self.unexpected("a text"));
        }
        Self::above(at, Kind::Call(function, nodes), depth)
    }

    fn has(&mut self, at: usize) -> Result<Parsed, ParseError> {
        let (argument, depth) = self.expression()?;
        let not_a_field = "`has` takes a field, as in has(request.headers.host)";
        let (base, field): (Node, Box<str>) = match argument.kind {
            Kind::Path(path) => {
                let mut path = path.into_vec();
                let field = path.pop();
                let field = field.filter(|_| !path.is_empty());
                let field = field.ok_or_else(|| ParseError::new(argument.at, not_a_field))?;
                let kind = Kind::Path(path.into());
                (
                    Node {
                        at: argument.at,
                        kind,
                    },
                    field,
                )
            }
            Kind::Select(base, field) => (*base, field),
            _ => return Err(ParseError::new(argument.at, not_a_field)),
        };
        self.expect(")")?;
        Self::above(at, Kind::Has(base.into(), field), depth)
    }
}

fn select(at: usize, (base, depth): Parsed, name: &str) -> Result<Parsed, ParseError> {
    match base.kind {
        Kind::Path(path) => {
            let mut path = path.into_vec();
            if path.len() >= MAX_PATH {
                let message = format!("a path has at most {MAX_PATH} segments");
                return Err(ParseError::new(at, message));
            }
            path.push(name.into());
            let kind = Kind::Path(path.into());
            Ok((Node { at: base.at, kind }, depth))
        }
        kind => {
            let base = Node { at: base.at, kind };
            Parser::above(at, Kind::Select(base.into(), name.into()), depth)
        }
    }
}

fn literal(at: usize, value: Value<'static>) -> Parsed {
    let kind = Kind::Literal(value);
    (Node { at, kind }, 1)
}

fn too_deep(at: usize) -> ParseError {
    ParseError::new(at, format!("more than {MAX_DEPTH} levels deep"))
}

fn too_large(at: usize) -> ParseError {
    ParseError::new(at, "the number is too large for its type")
}
