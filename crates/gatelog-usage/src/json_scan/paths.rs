//! The places of a document that are looked for.

/// The root of each document.
pub(super) const ROOT: u16 = 0;

/// Places of a document, as a tree of keys.
///
/// A path is keys with dots between them, and `[]` for every element of an array: `usage.input_tokens`,
/// `choices[].usage`, `[].method`. The empty path is the document itself. Keys that hold a dot or a
/// bracket cannot be written. Of two equal paths the later one is told.
#[derive(Clone, Debug)]
pub struct Paths {
    nodes: Vec<Node>,
}

/// A place, or one on the way to it.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The number of the path that ends here.
    path: Option<usize>,
    keys: Vec<(Box<str>, u16)>,
    /// Every element, if this is an array.
    element: Option<u16>,
}

impl Paths {
    /// The tree of these paths, which are told by their index. Those of the first 65,535 keys count.
    pub fn new(paths: &[&str]) -> Self {
        let mut tree = Self {
            nodes: vec![Node::default()],
        };
        for (number, path) in paths.iter().enumerate() {
            tree.add(number, path);
        }
        tree
    }

    fn add(&mut self, number: usize, path: &str) {
        let mut node = ROOT;
        for part in path.split('.') {
            let key = part.trim_end_matches("[]");
            if !key.is_empty() {
                node = self.key_of(node, key);
            }
            for _ in 0..part.len().saturating_sub(key.len()) / 2 {
                node = self.element_of(node);
            }
        }
        if let Some(node) = self.nodes.get_mut(usize::from(node)) {
            node.path = Some(number);
        }
    }

    fn key_of(&mut self, node: u16, key: &str) -> u16 {
        self.child(node, key.as_bytes()).unwrap_or_else(|| {
            let new = self.grow();
            if let Some(node) = self.nodes.get_mut(usize::from(node)) {
                node.keys.push((key.into(), new));
            }
            new
        })
    }

    fn element_of(&mut self, node: u16) -> u16 {
        self.element(node).unwrap_or_else(|| {
            let new = self.grow();
            if let Some(node) = self.nodes.get_mut(usize::from(node)) {
                node.element = Some(new);
            }
            new
        })
    }

    /// A new place, or one that no key leads to when there are too many.
    fn grow(&mut self) -> u16 {
        let Ok(new) = u16::try_from(self.nodes.len()) else {
            return u16::MAX;
        };
        self.nodes.push(Node::default());
        new
    }

    /// The place under this key of an object.
    pub(super) fn child(&self, node: u16, key: &[u8]) -> Option<u16> {
        let node = self.nodes.get(usize::from(node))?;
        let child = node.keys.iter().find(|(name, _)| name.as_bytes() == key);
        child.map(|(_, child)| *child)
    }

    /// The place of every element of an array.
    pub(super) fn element(&self, node: u16) -> Option<u16> {
        self.nodes.get(usize::from(node))?.element
    }

    /// The number of the path that ends at this place.
    pub(super) fn path(&self, node: u16) -> Option<usize> {
        self.nodes.get(usize::from(node))?.path
    }
}
