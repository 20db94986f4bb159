//! A test on a JSON object: what stands at one of its keys.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use crate::query::json_is;

static JSON_IS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let texts = vec![DataType::Utf8, DataType::Utf8, DataType::Utf8];
    let signature = Signature::exact(texts, Volatility::Immutable);
    Arc::new(JsonTest { signature }.into())
});

/// The object in `column` has `text` at `key`.
pub(super) fn has(column: Expr, key: &str, text: &str) -> Expr {
    JSON_IS.call(vec![column, lit(key), lit(text)])
}

/// A function of a column and two constant texts.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonTest {
    signature: Signature,
}

impl ScalarUDFImpl for JsonTest {
    fn name(&self) -> &'static str {
        "json_is"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [
            objects,
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(key))),
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))),
        ] = arguments.args.as_slice()
        else {
            return internal_err!("{} takes a column and two constant texts", self.name());
        };
        let objects = objects.to_array(rows)?;
        let answer: BooleanArray = objects
            .as_string::<i32>()
            .iter()
            .map(|object| Some(json_is(object?, key, text)))
            .collect();
        debug_assert_eq!(answer.len(), rows, "one answer for each row");
        Ok(ColumnarValue::Array(Arc::new(answer)))
    }
}
