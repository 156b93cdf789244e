//! How blank the tree is, and so how long a commit's path is: what large calls are kept from (R1).
//!
//! A path is one ciphertext for each node of the *resolution* (RFC 9420 §4.1.1) of the subtrees beside it. After a thousand were let in
//! at once no inner node has a key, and a removal has a thousand ciphertexts; a removal leaves the nodes above the removed leaf blank. A
//! member's commit gives keys to all nodes above its leaf. So the tree is looked at in blocks of 16 leaves: what a block costs others is
//! the size of its resolution, and one commit out of it makes that 1.

use std::collections::BTreeMap;

use openmls::prelude::ParentNode;
use openmls::treesync::TreeSync;
use tls_codec::{Serialize as _, VLBytes};

use super::wire::read;

/// Leaves of a block: 2^4. With 32 half as many commits are needed after a mass admission; but the removed leaf and the committer's each sit
/// in a block whose other nodes are mostly blank, so every removal costs more.
const LEVEL: u32 = 4;
const BLOCK: u32 = 1 << LEVEL;
/// The largest resolution of a block of which nobody says that it needs care: what a removal beside a repaired path leaves.
const CARED_FOR: usize = 4;
/// What all blocks may cost beyond the one ciphertext each at best, before anybody does anything. One change beside a repaired path costs
/// that much; in a call that goes on there is one repair for each in any case, so more patience would save nothing.
const SLACK: usize = 8;

/// A part of the tree that costs every commit much, and who sits there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    /// Nodes that a commit from elsewhere is sealed to.
    pub(crate) cost: usize,
    /// Occupied leaves, the last first: hosts are among the first ones, and what fills their own path does not make it shorter.
    pub(crate) leaves: Vec<u32>,
}

/// The tree's blocks, of which there are none in a small call.
pub(super) struct Blocks(Vec<Block>);

impl Blocks {
    pub(super) fn of(tree: &TreeSync) -> Self {
        let leaves = tree.full_leaves().map(|(leaf, _)| leaf.u32()).collect::<Vec<_>>();
        let parents = tree
            .full_parents()
            // The nth parent stands between the leaves n and n + 1, at the tree's node 2n + 1.
            .filter_map(|(parent, node)| Some((2 * parent.u32() + 1, unmerged(node)?)))
            .collect::<BTreeMap<_, _>>();
        Self::from_parts(&leaves, &parents)
    }

    fn from_parts(leaves: &[u32], parents: &BTreeMap<u32, usize>) -> Self {
        let width = leaves.last().map_or(0, |last| last + 1);
        if width <= BLOCK {
            return Self(Vec::new());
        }
        let block = |number: u32| {
            let first = number * BLOCK;
            let here = |leaf: &&u32| (first..first + BLOCK).contains(*leaf);
            let mut leaves = leaves.iter().filter(here).copied().collect::<Vec<_>>();
            let cost = resolution(2 * first + BLOCK - 1, LEVEL, &leaves, parents);
            leaves.reverse();
            Block { cost, leaves }
        };
        Self((0..width.div_ceil(BLOCK)).map(block).collect())
    }

    /// Says whether a commit by whoever sits at a leaf would make others' commits shorter by more than a little.
    pub(super) fn need_care_at(&self, leaf: u32) -> bool {
        self.0.get((leaf / BLOCK) as usize).is_some_and(|block| block.cost > CARED_FOR)
    }

    /// Returns the blocks that need care, the neediest first; none while commits are short enough.
    pub(super) fn in_need(self) -> Vec<Block> {
        let all = self.0.len();
        if self.0.iter().map(|block| block.cost).sum::<usize>() <= all + SLACK {
            return Vec::new();
        }
        let mut needy =
            self.0.into_iter().enumerate().filter(|(_, block)| block.cost > CARED_FOR).collect::<Vec<_>>();
        // Of equals those first that are far from each other: each fills nodes high up that others then need not be sealed to.
        needy.sort_by_key(|(number, block)| (core::cmp::Reverse(block.cost), number.reverse_bits()));
        needy.into_iter().map(|(_, block)| block).collect()
    }
}

/// Returns how many nodes the resolution of a subtree has: of the node with this number, which is on this level.
fn resolution(node: u32, level: u32, leaves: &[u32], parents: &BTreeMap<u32, usize>) -> usize {
    if level == 0 {
        return leaves.binary_search(&(node / 2)).is_ok().into();
    }
    match parents.get(&node) {
        Some(unmerged) => 1 + unmerged,
        None => {
            let half = 1 << (level - 1);
            [node - half, node + half]
                .into_iter()
                .map(|child| resolution(child, level - 1, leaves, parents))
                .sum()
        }
    }
}

/// Returns how many leaves below a parent do not know its key. openmls has no accessor: the node is written out and read back (RFC 9420
/// §7.1: key, parent hash, unmerged leaves).
fn unmerged(parent: &ParentNode) -> Option<usize> {
    let written = parent.tls_serialize_detached().ok()?;
    let (_, rest) = read::<VLBytes>(&written)?;
    let (_, rest) = read::<VLBytes>(rest)?;
    let (leaves, _) = read::<VLBytes>(rest)?;
    Some(leaves.as_slice().len() / size_of::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(leaves: u32, parents: &[(u32, usize)]) -> Blocks {
        Blocks::from_parts(&(0..leaves).collect::<Vec<_>>(), &parents.iter().copied().collect())
    }

    fn costs(blocks: Blocks) -> Vec<usize> {
        blocks.in_need().iter().map(|block| block.cost).collect()
    }

    #[test]
    fn a_small_call_has_no_blocks() {
        assert!(blocks(16, &[]).in_need().is_empty());
        assert!(!blocks(16, &[]).need_care_at(3));
    }

    #[test]
    fn blank_blocks_are_in_need_and_far_ones_come_in_turns() {
        let needy = blocks(64, &[]).in_need();
        let firsts = needy.iter().map(|block| (block.leaves[0], block.cost)).collect::<Vec<_>>();
        assert_eq!(firsts, [(15, 16), (47, 16), (31, 16), (63, 16)]);
    }

    /// Nobody minds a little.
    #[test]
    fn a_few_blanks_are_left_alone() {
        assert!(costs(blocks(32, &[(15, 0), (47, 7)])).is_empty());
        assert!(blocks(32, &[(15, 0), (47, 7)]).need_care_at(16), "but whoever sits there may");
    }

    /// Node 15 is the root of the first block.
    #[test]
    fn a_block_with_a_key_costs_one_and_its_newcomers() {
        let filled = blocks(64, &[(15, 0)]);
        assert!(!filled.need_care_at(0) && filled.need_care_at(16));
        assert_eq!(costs(blocks(64, &[(15, 4)])), [16, 16, 16, 5]);
    }

    #[test]
    fn a_blank_root_costs_what_is_below_it() {
        // The left half of the first block has a key (node 7), the right one has none.
        assert_eq!(costs(blocks(64, &[(7, 0), (47, 0)])), [16, 16, 9]);
    }
}
