//! Objects of the filter state, in the form that is asked for.

use super::{StateForm, Target, Written};
use crate::digits::push_number;
use crate::exchange::{Exchange, State};
use crate::json_text::{escape_tail, push_string};

const BYTES_TYPE: &[u8] =
    b"{\"@type\":\"type.googleapis.com/google.protobuf.BytesValue\",\"value\":\"";

/// Appends the object.
pub(super) fn push<E: Exchange + ?Sized>(
    exchange: &E,
    key: &str,
    upstream: bool,
    form: &StateForm,
    target: Target,
    out: &mut Vec<u8>,
) -> Written {
    if let StateForm::Field(field) = form {
        return super::push(exchange.filter_state_field(key, field, upstream), out);
    }
    let Some(state) = exchange.filter_state(key, upstream) else {
        return Written::Missing;
    };
    match (form, state) {
        (StateForm::Plain, State::Text(text) | State::Bytes(text) | State::Plain(text)) => {
            super::push(Some(text), out)
        }
        (StateForm::Plain, State::Escaped(text)) => {
            let from = out.len();
            out.extend_from_slice(text);
            escape_tail(out, from);
            Written::Text
        }
        (StateForm::Plain, State::Number(number)) => {
            push_number(number, out);
            Written::Text
        }
        // A protobuf text is a JSON string: with its quotes in text, and once in JSON.
        (_, State::Text(text)) if target == Target::Text => {
            push_string(text, out);
            Written::Text
        }
        (_, State::Text(text)) => super::push(Some(text), out),
        (_, State::Bytes(bytes) | State::Escaped(bytes)) => {
            out.extend_from_slice(BYTES_TYPE);
            push_base64(bytes, out);
            out.extend_from_slice(b"\"}");
            Written::Literal
        }
        (_, State::Plain(_) | State::Number(_)) => Written::Missing,
    }
}

/// Appends bytes in base64 (RFC 4648 §4), padded.
fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4u8 {
            let index = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or_default();
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            out.push(if usize::from(at) > chunk.len() {
                b'='
            } else {
                letter
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("from-wasm", "ZnJvbS13YXNt"),
        ] {
            let mut out = Vec::new();
            push_base64(bytes.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
