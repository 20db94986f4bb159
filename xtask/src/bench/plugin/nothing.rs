//! The smallest proxy-wasm module: what wasm itself costs.
//!
//! ```text
//! (module
//!   (memory (export "memory") 1)
//!   (func (export "proxy_abi_version_0_2_1"))
//!   (func (export "malloc") (param i32) (result i32) i32.const 1024)
//!   (func (export "proxy_on_context_create") (param i32 i32))
//!   (func (export "proxy_on_log") (param i32)))
//! ```
//!
//! **Source.** <https://webassembly.github.io/spec/core/binary/modules.html>, and the functions that Envoy
//! calls: <https://github.com/proxy-wasm/spec>.

/// Signatures: of the version, of `malloc`, of a new context, of the log.
const TYPES: [&[u8]; 4] = [
    b"\x60\x00\x00",
    b"\x60\x01\x7f\x01\x7f",
    b"\x60\x02\x7f\x7f\x00",
    b"\x60\x01\x7f\x00",
];

/// What the functions do: nothing, and 1024 for `malloc`.
const CODE: [&[u8]; 4] = [
    b"\x02\x00\x0b",
    b"\x05\x00\x41\x80\x08\x0b",
    b"\x02\x00\x0b",
    b"\x02\x00\x0b",
];

const FUNCTIONS: [&str; 4] = [
    "proxy_abi_version_0_2_1",
    "malloc",
    "proxy_on_context_create",
    "proxy_on_log",
];

/// The module.
pub(super) fn module() -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &TYPES.map(<[u8]>::to_vec));
    section(&mut module, 3, &[0_u8, 1, 2, 3].map(|index| vec![index]));
    section(&mut module, 5, &[vec![0, 1]]);
    let export = |name: &str, kind: u8, index: u8| {
        [&[byte(name.len())], name.as_bytes(), &[kind, index]].concat()
    };
    let mut exports = vec![export("memory", 2, 0)];
    exports.extend(
        (0..)
            .zip(FUNCTIONS)
            .map(|(index, name)| export(name, 0, index)),
    );
    section(&mut module, 7, &exports);
    section(&mut module, 10, &CODE.map(<[u8]>::to_vec));
    module
}

/// A list of items, with its id and length before.
fn section(module: &mut Vec<u8>, id: u8, items: &[Vec<u8>]) {
    let mut body = vec![byte(items.len())];
    body.extend(items.concat());
    module.extend([id, byte(body.len())]);
    module.extend(body);
}

/// A number as the format writes it, which is one byte while it is below 128. All here are.
fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_fit_their_byte() {
        let module = module();
        let mut rest = module.get(8..).unwrap();
        let mut ids = Vec::new();
        while let [id, length, body @ ..] = rest {
            assert!(*length < 128);
            ids.push(*id);
            rest = body.get(usize::from(*length)..).unwrap();
        }
        assert_eq!(ids, [1, 3, 5, 7, 10]);
    }
}
