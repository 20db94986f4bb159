//! Operators between two values.

use std::cmp::Ordering;

use crate::error::Fault;
use crate::{Value, time};

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

use Operator::{
    Add, Divide, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Multiply, NotEqual, Remainder,
    Subtract,
};

impl Operator {
    /// The operator with this sign, and how tightly it binds: `||` is 0, `&&` 1.
    pub(crate) fn of(sign: &str) -> Option<(Self, u8)> {
        Some(match sign {
            "==" => (Equal, 2),
            "!=" => (NotEqual, 2),
            "<" => (Less, 2),
            "<=" => (LessOrEqual, 2),
            ">" => (Greater, 2),
            ">=" => (GreaterOrEqual, 2),
            "+" => (Add, 3),
            "-" => (Subtract, 3),
            "*" => (Multiply, 4),
            "/" => (Divide, 4),
            "%" => (Remainder, 4),
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Equal => "`==`",
            NotEqual => "`!=`",
            Less => "`<`",
            LessOrEqual => "`<=`",
            Greater => "`>`",
            GreaterOrEqual => "`>=`",
            Add => "`+`",
            Subtract => "`-`",
            Multiply => "`*`",
            Divide => "`/`",
            Remainder => "`%`",
        }
    }
}

/// What the operator makes of two values.
pub(crate) fn apply(
    operator: Operator,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Value<'static>, Fault> {
    let is_in_order: fn(Ordering) -> bool = match operator {
        Equal => return Ok(Value::Bool(left.equals(right))),
        NotEqual => return Ok(Value::Bool(!left.equals(right))),
        Less => Ordering::is_lt,
        LessOrEqual => Ordering::is_le,
        Greater => Ordering::is_gt,
        GreaterOrEqual => Ordering::is_ge,
        _ => return calculate(operator, left, right),
    };
    match left.order(right) {
        Some(ordering) => Ok(Value::Bool(is_in_order(ordering))),
        None if is_number(left) && is_number(right) => Ok(Value::Bool(false)),
        None => Err(Fault::NoOverload(operator.name())),
    }
}

fn is_number(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
}

fn calculate(
    operator: Operator,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Value<'static>, Fault> {
    let no_overload = Err(Fault::NoOverload(operator.name()));
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0))
            if matches!(operator, Divide | Remainder) =>
        {
            Err(Fault::DivisionByZero)
        }
        (Value::Int(left), Value::Int(right)) => {
            let number = match operator {
                Add => left.checked_add(*right),
                Subtract => left.checked_sub(*right),
                Multiply => left.checked_mul(*right),
                Divide => left.checked_div(*right),
                _ => left.checked_rem(*right),
            };
            number.map(Value::Int).ok_or(Fault::Overflow)
        }
        (Value::Uint(left), Value::Uint(right)) => {
            let number = match operator {
                Add => left.checked_add(*right),
                Subtract => left.checked_sub(*right),
                Multiply => left.checked_mul(*right),
                Divide => left.checked_div(*right),
                _ => left.checked_rem(*right),
            };
            number.map(Value::Uint).ok_or(Fault::Overflow)
        }
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(match operator {
            Add => left + right,
            Subtract => left - right,
            Multiply => left * right,
            Divide => left / right,
            _ => return no_overload,
        })),
        (Value::Duration(left), Value::Duration(right)) => {
            fitting(time::duration(sum(operator, *left, *right)?).map(Value::Duration))
        }
        (Value::Timestamp(left), Value::Duration(right)) => {
            fitting(time::timestamp(sum(operator, *left, *right)?).map(Value::Timestamp))
        }
        (Value::Duration(left), Value::Timestamp(right)) if operator == Add => {
            fitting(time::timestamp(left + right).map(Value::Timestamp))
        }
        (Value::Timestamp(left), Value::Timestamp(right)) if operator == Subtract => {
            fitting(time::duration(left - right).map(Value::Duration))
        }
        _ => no_overload,
    }
}

fn sum(operator: Operator, left: i128, right: i128) -> Result<i128, Fault> {
    let sum = match operator {
        Add => left.checked_add(right),
        Subtract => left.checked_sub(right),
        _ => return Err(Fault::NoOverload(operator.name())),
    };
    sum.ok_or(Fault::Overflow)
}

fn fitting(value: Option<Value<'static>>) -> Result<Value<'static>, Fault> {
    value.ok_or(Fault::Overflow)
}
