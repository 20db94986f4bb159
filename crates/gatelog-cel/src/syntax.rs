//! The tree of an expression.

use crate::Value;
use crate::arithmetic::Operator;
use crate::function::Function;

/// A node and where it stands in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Value<'static>),
    /// An attribute whose path the text alone tells.
    Path(Box<[Box<str>]>),
    Select(Box<Node>, Box<str>),
    Index(Box<Node>, Box<Node>),
    Has(Box<Node>, Box<str>),
    In(Box<Node>, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// Condition, then, else.
    Conditional(Box<[Node; 3]>),
    Binary(Operator, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
    /// `matches` with a pattern that the text tells.
    Matches(Box<Node>, regex_lite::Regex),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}
