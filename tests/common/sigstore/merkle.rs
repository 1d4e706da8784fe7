//! A log's tree that grows (RFC 6962, section 2.1).

use super::keys::Hash;

pub type Node = Vec<u8>;

#[derive(Default)]
pub struct Tree {
    leaves: Vec<Node>,
}

impl Tree {
    /// Appends a leaf; its index.
    pub fn append(&mut self, leaf: &[u8]) -> usize {
        self.leaves.push(leaf_hash(leaf));
        self.leaves.len() - 1
    }

    pub fn size(&self) -> usize {
        self.leaves.len()
    }

    pub fn find(&self, leaf: &[u8]) -> Option<usize> {
        let wanted = leaf_hash(leaf);
        self.leaves.iter().position(|known| *known == wanted)
    }

    pub fn root(&self) -> Node {
        root(&self.leaves)
    }

    /// The audit path of a leaf in the tree as it is now, from the leaf up.
    pub fn path(&self, index: usize) -> Vec<Node> {
        path(&self.leaves, index)
    }
}

pub fn leaf_hash(leaf: &[u8]) -> Node {
    Hash::Sha256.of(&[&[0], leaf].concat())
}

fn root(leaves: &[Node]) -> Node {
    match leaves {
        [] => Hash::Sha256.of(b""),
        [leaf] => leaf.clone(),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            Hash::Sha256.of(&[&[1], &root(left)[..], &root(right)].concat())
        }
    }
}

fn path(leaves: &[Node], index: usize) -> Vec<Node> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut nodes, sibling) =
        if index < at { (path(left, index), root(right)) } else { (path(right, index - at), root(left)) };
    nodes.push(sibling);
    nodes
}

/// The largest power of two below `n`.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}
