//! A body's text, from its first byte to its values.

use crate::content::Content;
use crate::event_frames::EventFrames;
use crate::event_lines::{EventLines, Part};
use crate::json_scan::Scanner;
use crate::place::PLACES;
use crate::repeat::Repeat;
use crate::tally::Tally;
use crate::usage::{ResponseType, Usage};

/// A walk over the text of a body.
pub(crate) struct Walk {
    form: Form,
    scanner: Scanner<'static>,
    tally: Tally,
    repeat: Repeat,
    stream: Stream,
    has_data: bool,
    /// Whether the scanner looks for tokens.
    wants_token: bool,
}

/// Whether the body is a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    No,
    /// The content type says so.
    Told,
    /// Only the first byte does.
    Guessed,
}

/// How documents stand in the text.
enum Form {
    /// Not known before the first byte that counts.
    Unknown,
    /// They follow each other, or there is one.
    Documents,
    Lines(EventLines),
    Frames(EventFrames),
}

impl Walk {
    pub(crate) fn new(content: Content) -> Self {
        let mut walk = Self {
            form: match content {
                Content::Frames => Form::Frames(EventFrames::new()),
                Content::Document | Content::Stream => Form::Unknown,
            },
            scanner: Scanner::new(&PLACES.usage),
            tally: Tally::default(),
            repeat: Repeat::new(),
            stream: Stream::No,
            has_data: false,
            wants_token: false,
        };
        if content != Content::Document {
            walk.expect_stream(Stream::Told);
        }
        walk
    }

    fn expect_stream(&mut self, stream: Stream) {
        self.stream = stream;
        self.wants_token = true;
        self.scanner.look_for(&PLACES.usage_and_tokens);
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.stream != Stream::No
    }

    pub(crate) fn has_data(&self) -> bool {
        self.has_data
    }

    pub(crate) fn has_token(&self) -> bool {
        self.tally.has_token
    }

    pub(crate) fn feed(&mut self, text: &[u8]) {
        let text = if let Form::Unknown = self.form {
            self.begin(text)
        } else {
            text
        };
        if text.is_empty() {
            return;
        }
        let is_stream = self.is_stream();
        let mut documents = Documents {
            scanner: &mut self.scanner,
            tally: &mut self.tally,
            repeat: &mut self.repeat,
            has_data: &mut self.has_data,
            wants_token: &mut self.wants_token,
        };
        match &mut self.form {
            Form::Unknown => {}
            Form::Documents => documents.text(text, is_stream),
            Form::Lines(lines) => lines.feed(text, &mut |part| documents.part(part)),
            Form::Frames(frames) => frames.feed(text, &mut |part| documents.part(part)),
        }
    }

    /// The text from its first byte that counts; that tells the form.
    fn begin<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        // White space, and a mark of the encoding.
        let counts = |byte: &u8| !matches!(byte, 0..=b' ' | 0xef | 0xbb | 0xbf);
        let Some(at) = text.iter().position(counts) else {
            return &[];
        };
        let text = text.get(at..).unwrap_or_default();
        let first = text.first();
        self.form = match first {
            Some(b'{' | b'[') => Form::Documents,
            _ => Form::Lines(EventLines::new()),
        };
        // Gemini's stream without events is a list.
        if first != Some(&b'{') && !self.is_stream() {
            self.expect_stream(Stream::Guessed);
        }
        text
    }

    pub(crate) fn usage(self) -> Usage {
        let response_type = match (&self.form, self.stream) {
            (Form::Unknown, _) => None,
            // A text that is neither: the gateway's own `upstream connect error`.
            (Form::Lines(_), Stream::Guessed) if !self.has_data => None,
            (_, Stream::No) => Some(ResponseType::Normal),
            (_, Stream::Told | Stream::Guessed) => Some(ResponseType::Stream),
        };
        Usage {
            response_type,
            ..self.tally.usage()
        }
    }
}

/// Where documents go.
struct Documents<'a> {
    scanner: &'a mut Scanner<'static>,
    tally: &'a mut Tally,
    repeat: &'a mut Repeat,
    has_data: &'a mut bool,
    wants_token: &'a mut bool,
}

impl Documents<'_> {
    fn text(&mut self, text: &[u8], is_stream: bool) {
        *self.has_data |= is_stream;
        let Self { scanner, tally, .. } = self;
        scanner.feed(text, &mut |path, value| tally.take(path, value));
    }

    /// The data of an event, or a piece of it.
    fn event(&mut self, data: &[u8]) {
        let (changes, was_between) = (self.tally.changes, self.scanner.is_between());
        if was_between && self.repeat.covers(data, changes) {
            return;
        }
        self.text(data, true);
        let is_whole = was_between && self.scanner.is_between();
        if is_whole && self.tally.changes == changes {
            self.repeat.learn(data, changes, &PLACES.usage);
        }
    }

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Data(b"\n") => self.text(b"\n", false),
            // Until there is a token each event is looked at for it.
            Part::Data(data) if *self.wants_token => self.text(data, true),
            Part::Data(data) => self.event(data),
            Part::End if *self.wants_token && self.tally.has_token => {
                *self.wants_token = false;
                self.scanner.look_for(&PLACES.usage);
            }
            Part::End => self.scanner.reset(),
        }
    }
}
