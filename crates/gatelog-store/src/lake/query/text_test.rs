//! Tests on texts that comparisons cannot express: contains, and has this flag.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{AsArray, BooleanArray, Scalar, StringArray};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

static CONTAINS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| TextTest::function(Test::Contains));
static HAS_FLAG: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| TextTest::function(Test::HasFlag));

/// The text of `column` has `part` in it, every character meaning itself.
pub(super) fn contains(column: Expr, part: &str) -> Expr {
    CONTAINS.call(vec![column, lit(part)])
}

/// `flag` is one of the comma-separated words of `column`.
pub(super) fn has_flag(column: Expr, flag: &str) -> Expr {
    HAS_FLAG.call(vec![column, lit(flag)])
}

/// A function of a column and a constant text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TextTest {
    test: Test,
    signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Test {
    Contains,
    HasFlag,
}

impl TextTest {
    fn function(test: Test) -> Arc<ScalarUDF> {
        let texts = vec![DataType::Utf8, DataType::Utf8];
        let test = Self {
            test,
            signature: Signature::exact(texts, Volatility::Immutable),
        };
        Arc::new(test.into())
    }
}

impl ScalarUDFImpl for TextTest {
    fn name(&self) -> &'static str {
        match self.test {
            Test::Contains => "text_contains",
            Test::HasFlag => "has_flag",
        }
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
            texts,
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(wanted))),
        ] = arguments.args.as_slice()
        else {
            return internal_err!("{} takes a column and a constant text", self.name());
        };
        let texts = texts.to_array(rows)?;
        let answer: BooleanArray = match self.test {
            Test::Contains => {
                let wanted = Scalar::new(StringArray::from(vec![wanted.as_str()]));
                compute::contains(texts.as_string::<i32>(), &wanted)?
            }
            Test::HasFlag => texts
                .as_string::<i32>()
                .iter()
                .map(|flags| Some(flags?.split(',').any(|flag| flag == wanted)))
                .collect(),
        };
        debug_assert_eq!(answer.len(), rows, "one answer for each row");
        Ok(ColumnarValue::Array(Arc::new(answer)))
    }
}
