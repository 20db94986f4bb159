//! Where providers tell what was used: the formats, as places of their documents.
//!
//! A document is an answer in JSON, or the data of one event of a stream. The tables are products:
//! every member is looked for in every place that an object of usage has with some provider, since
//! gateways between mix the forms.

use std::sync::LazyLock;

use crate::json_scan::Paths;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Model,
    ChatId,
    Input,
    Output,
    Total,
    Cached,
    /// Cached tokens that `Input` does not have.
    CachedBeside,
    CacheCreation,
    CacheCreationBeside,
    Reasoning,
    /// The list of models of one answer.
    Models,
    ModelOfList,
    InputOfList,
    OutputOfList,
    /// Text that the model has written.
    Token,
}

/// Objects of usage.
const USAGE: [&str; 12] = [
    "usage",
    // OpenAI responses, Anthropic and Moonshot in events; Groq; Cohere.
    "response.usage",
    "message.usage",
    "choices[].usage",
    "x_groq.usage",
    "delta.usage",
    "meta",
    "response.meta",
    // Spark; Hunyuan as it is and in events; a body in a body.
    "payload.usage.text",
    "Response.Usage",
    "Usage",
    "body.usage",
];

/// Their members. Of two that tell the same the later one counts, within an object and over the
/// documents of a stream, unless its rank is lower.
const MEMBERS: [(&str, Field, u8); 28] = [
    ("prompt_tokens", Field::Input, 1),
    ("completion_tokens", Field::Output, 1),
    ("total_tokens", Field::Total, 1),
    ("prompt_tokens_details.cached_tokens", Field::Cached, 1),
    (
        "completion_tokens_details.reasoning_tokens",
        Field::Reasoning,
        1,
    ),
    // OpenAI responses, Anthropic, DashScope.
    ("input_tokens", Field::Input, 1),
    ("output_tokens", Field::Output, 1),
    ("input_tokens_details.cached_tokens", Field::Cached, 1),
    (
        "output_tokens_details.reasoning_tokens",
        Field::Reasoning,
        1,
    ),
    ("cache_read_input_tokens", Field::CachedBeside, 1),
    ("cache_creation_input_tokens", Field::CacheCreationBeside, 1),
    (
        "prompt_tokens_details.cache_creation_input_tokens",
        Field::CacheCreation,
        1,
    ),
    // DeepSeek; Moonshot and Cohere; Perplexity; OpenRouter.
    ("prompt_cache_hit_tokens", Field::Cached, 1),
    ("cached_tokens", Field::Cached, 0),
    ("reasoning_tokens", Field::Reasoning, 0),
    (
        "prompt_tokens_details.cache_write_tokens",
        Field::CacheCreation,
        1,
    ),
    // Bedrock.
    ("inputTokens", Field::Input, 1),
    ("outputTokens", Field::Output, 1),
    ("totalTokens", Field::Total, 1),
    ("cacheReadInputTokens", Field::CachedBeside, 1),
    ("cacheWriteInputTokens", Field::CacheCreationBeside, 1),
    // Cohere; what it bills is less than what the model read.
    ("tokens.input_tokens", Field::Input, 1),
    ("tokens.output_tokens", Field::Output, 1),
    ("billed_units.input_tokens", Field::Input, 0),
    ("billed_units.output_tokens", Field::Output, 0),
    // Hunyuan.
    ("PromptTokens", Field::Input, 1),
    ("CompletionTokens", Field::Output, 1),
    ("TotalTokens", Field::Total, 1),
];

/// Gemini's documents: alone, in a list of them, in one of a gateway.
const GEMINI: [&str; 3] = ["", "[].", "response."];

/// What is in them.
const GEMINI_MEMBERS: [(&str, Field, u8); 7] = [
    ("modelVersion", Field::Model, 1),
    ("responseId", Field::ChatId, 1),
    ("usageMetadata.promptTokenCount", Field::Input, 1),
    ("usageMetadata.candidatesTokenCount", Field::Output, 1),
    ("usageMetadata.totalTokenCount", Field::Total, 1),
    ("usageMetadata.cachedContentTokenCount", Field::Cached, 1),
    ("usageMetadata.thoughtsTokenCount", Field::Reasoning, 1),
];

/// What stands in one place only.
const SINGLE: [(&str, Field, u8); 19] = [
    ("model", Field::Model, 1),
    ("body.model", Field::Model, 1),
    ("response.model", Field::Model, 1),
    ("message.model", Field::Model, 1),
    ("id", Field::ChatId, 1),
    ("response.id", Field::ChatId, 1),
    ("message.id", Field::ChatId, 1),
    // Hunyuan, Spark, Cohere, DashScope.
    ("Id", Field::ChatId, 1),
    ("Response.Id", Field::ChatId, 1),
    ("header.sid", Field::ChatId, 1),
    ("generation_id", Field::ChatId, 0),
    ("response.generation_id", Field::ChatId, 0),
    ("request_id", Field::ChatId, 0),
    // Ollama.
    ("prompt_eval_count", Field::Input, 1),
    ("eval_count", Field::Output, 1),
    // DashScope's applications call several models.
    ("usage.models", Field::Models, 1),
    ("usage.models[].model_id", Field::ModelOfList, 0),
    ("usage.models[].input_tokens", Field::InputOfList, 1),
    ("usage.models[].output_tokens", Field::OutputOfList, 1),
];

/// Text that the model has written, in a stream.
const TOKENS: [&str; 30] = [
    // OpenAI chat, completions, responses.
    "choices[].delta.content",
    "choices[].delta.reasoning_content",
    "choices[].delta.reasoning",
    "choices[].delta.refusal",
    "choices[].delta.tool_calls[].function.name",
    "choices[].delta.tool_calls[].function.arguments",
    "choices[].text",
    "delta",
    // Anthropic, Bedrock.
    "delta.text",
    "delta.thinking",
    "delta.partial_json",
    "content_block.text",
    "content_block.name",
    "delta.reasoningContent.text",
    "delta.toolUse.input",
    "start.toolUse.name",
    // Cohere.
    "delta.message.content.text",
    "delta.message.content.thinking",
    "delta.message.tool_plan",
    "text",
    // Ollama.
    "message.content",
    "message.thinking",
    "response",
    "thinking",
    // DashScope, Hunyuan, Spark.
    "output.text",
    "output.choices[].message.content",
    "output.choices[].message.reasoning_content",
    "Choices[].Delta.Content",
    "payload.choices.text[].content",
    "payload.choices.text[].reasoning_content",
];

/// The same of Gemini.
const GEMINI_TOKENS: [&str; 2] = [
    "candidates[].content.parts[].text",
    "candidates[].content.parts[].functionCall.name",
];

/// All places, and the paths to them. The paths of tokens are the last ones: a scanner may leave them
/// out, and the others keep their numbers.
pub(crate) struct Places {
    fields: Vec<(Field, u8)>,
    /// To all but tokens.
    pub(crate) usage: Paths,
    pub(crate) usage_and_tokens: Paths,
}

/// The places, made once.
pub(crate) static PLACES: LazyLock<Places> = LazyLock::new(Places::new);

impl Places {
    fn new() -> Self {
        let product = |objects: &[&str], dot: &str, members: &[(&str, Field, u8)]| {
            let mut places = Vec::new();
            for object in objects {
                for (member, field, rank) in members {
                    places.push((format!("{object}{dot}{member}"), (*field, *rank)));
                }
            }
            places
        };
        let tokens = TOKENS.map(|path| (path, Field::Token, 1));
        let gemini_tokens = GEMINI_TOKENS.map(|path| (path, Field::Token, 1));
        let mut places = product(&[""], "", &SINGLE);
        places.extend(product(&USAGE, ".", &MEMBERS));
        places.extend(product(&GEMINI, "", &GEMINI_MEMBERS));
        let without_tokens = places.len();
        places.extend(product(&[""], "", &tokens));
        places.extend(product(&GEMINI, "", &gemini_tokens));
        let (paths, fields): (Vec<String>, Vec<(Field, u8)>) = places.into_iter().unzip();
        let all: Vec<&str> = paths.iter().map(String::as_str).collect();
        Self {
            fields,
            usage: Paths::new(all.get(..without_tokens).unwrap_or_default()),
            usage_and_tokens: Paths::new(&all),
        }
    }

    /// What stands at the path with this number, and its rank.
    pub(crate) fn field(&self, path: usize) -> Option<(Field, u8)> {
        self.fields.get(path).copied()
    }
}
