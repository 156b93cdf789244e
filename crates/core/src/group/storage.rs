//! Where openmls keeps its state (R25): in memory, every value zeroized when it is replaced or dropped.
//!
//! openmls' own memory storage keeps epoch secrets as plain JSON and wipes nothing. This one also has a transaction, so that
//! a log entry that is refused after openmls took it in leaves everything as it was (R5).

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

/// A value could not be written or read back: a bug, or a value that openmls changed.
#[derive(Debug, Error)]
#[error("mls state could not be stored: {0}")]
pub(crate) struct StorageError(#[from] serde_json::Error);

type Result<T> = core::result::Result<T, StorageError>;

type Secret = Zeroizing<Vec<u8>>;

/// What kind of value (its trait's name), and the key openmls gave it.
type Place = (&'static str, Vec<u8>);

/// Most values stand alone; queues are lists with a name for each item.
type Items = Vec<(Vec<u8>, Secret)>;

#[derive(Default)]
pub(super) struct Storage(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    values: BTreeMap<Place, Items>,
    /// While a transaction is open: what was at each place before its first change.
    before: Option<BTreeMap<Place, Option<Items>>>,
}

impl Storage {
    /// Starts to note what changes.
    pub(super) fn begin(&self) {
        self.0.borrow_mut().before = Some(BTreeMap::new());
    }

    /// Keeps what changed since `begin`.
    pub(super) fn commit(&self) {
        self.0.borrow_mut().before = None;
    }

    /// Undoes what changed since `begin`; says whether anything had.
    pub(super) fn roll_back(&self) -> bool {
        let inner = &mut *self.0.borrow_mut();
        let before = inner.before.take().unwrap_or_default();
        let changed = !before.is_empty();
        for (place, items) in before {
            match items {
                Some(items) => inner.values.insert(place, items),
                None => inner.values.remove(&place),
            };
        }
        changed
    }

    /// Stores the tree, for who is about to read the state back.
    pub(super) fn keep_tree<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        V: traits::TreeSync<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        tree: &V,
    ) -> Result<()> {
        self.set(TREE, group_id, tree)
    }

    pub(super) fn wipe(&self) {
        *self.0.borrow_mut() = Inner::default();
    }

    /// Hashes everything that is stored, so that tests can tell whether a refused input changed anything.
    #[cfg(test)]
    pub(super) fn digest(&self) -> [u8; 32] {
        let inner = self.0.borrow();
        let parts = inner.values.iter().flat_map(|((kind, key), items)| {
            [kind.as_bytes(), key.as_slice()]
                .into_iter()
                .chain(items.iter().flat_map(|(name, value)| [name.as_slice(), value.as_slice()]))
        });
        crate::crypto::hash::labelled("storage", &parts.collect::<Vec<_>>())
    }

    fn change(&self, place: Place, edit: impl FnOnce(&mut Items)) {
        let Inner { values, before } = &mut *self.0.borrow_mut();
        if let Some(before) = before {
            before.entry(place.clone()).or_insert_with(|| values.get(&place).cloned());
        }
        let mut items = values.remove(&place).unwrap_or_default();
        edit(&mut items);
        if !items.is_empty() {
            values.insert(place, items);
        }
    }

    fn set(&self, kind: &'static str, key: &impl Serialize, value: &impl Serialize) -> Result<()> {
        let value = encode(value)?;
        self.change(place(kind, key)?, |items| *items = vec![(Vec::new(), value)]);
        Ok(())
    }

    fn get<V: DeserializeOwned>(&self, kind: &'static str, key: &impl Serialize) -> Result<Option<V>> {
        let inner = self.0.borrow();
        let first = inner.values.get(&place(kind, key)?).and_then(|items| items.first());
        first.map(|(_, value)| Ok(serde_json::from_slice(value)?)).transpose()
    }

    fn push(
        &self,
        kind: &'static str,
        key: &impl Serialize,
        name: Vec<u8>,
        value: &impl Serialize,
    ) -> Result<()> {
        let value = encode(value)?;
        self.change(place(kind, key)?, |items| items.push((name, value)));
        Ok(())
    }

    fn list<N: DeserializeOwned, V: DeserializeOwned>(
        &self,
        kind: &'static str,
        key: &impl Serialize,
    ) -> Result<Vec<(N, V)>> {
        let inner = self.0.borrow();
        let items = inner.values.get(&place(kind, key)?).map_or(&[][..], Vec::as_slice);
        items
            .iter()
            .map(|(name, value)| Ok((serde_json::from_slice(name)?, serde_json::from_slice(value)?)))
            .collect()
    }

    fn delete(&self, kind: &'static str, key: &impl Serialize) -> Result<()> {
        self.change(place(kind, key)?, Vec::clear);
        Ok(())
    }
}

fn place(kind: &'static str, key: &impl Serialize) -> Result<Place> {
    Ok((kind, serde_json::to_vec(key)?))
}

fn encode(value: &impl Serialize) -> Result<Secret> {
    let mut writer = WipingWriter(Zeroizing::new(Vec::with_capacity(256)));
    serde_json::to_writer(&mut writer, value)?;
    Ok(writer.0)
}

/// Grows without leaving the old buffer's content behind.
struct WipingWriter(Secret);

impl io::Write for WipingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The values of which a group has one each: how they are written, read and deleted.
macro_rules! one_per_group {
    ($($write:ident $read:ident $delete:ident $kind:ident;)*) => {$(
        fn $write<GroupId: traits::GroupId<CURRENT_VERSION>, V: traits::$kind<CURRENT_VERSION>>(
            &self,
            group_id: &GroupId,
            value: &V,
        ) -> Result<()> {
            self.set(stringify!($kind), group_id, value)
        }

        fn $read<GroupId: traits::GroupId<CURRENT_VERSION>, V: traits::$kind<CURRENT_VERSION>>(
            &self,
            group_id: &GroupId,
        ) -> Result<Option<V>> {
            self.get(stringify!($kind), group_id)
        }

        fn $delete<GroupId: traits::GroupId<CURRENT_VERSION>>(&self, group_id: &GroupId) -> Result<()> {
            self.delete(stringify!($kind), group_id)
        }
    )*};
}

/// The values that have a key of their own.
macro_rules! one_per_key {
    ($($write:ident $delete:ident $key:ident $kind:ident;)*) => {$(
        fn $write<K: traits::$key<CURRENT_VERSION>, V: traits::$kind<CURRENT_VERSION>>(
            &self,
            key: &K,
            value: &V,
        ) -> Result<()> {
            self.set(stringify!($kind), key, value)
        }

        fn $delete<K: traits::$key<CURRENT_VERSION>>(&self, key: &K) -> Result<()> {
            self.delete(stringify!($kind), key)
        }
    )*};
}

// The names are those of the traits, which `one_per_group` and `one_per_key` use too.
const TREE: &str = "TreeSync";
const GROUP_STATE: &str = "GroupState";
const LEAF_NODE: &str = "LeafNode";
const QUEUED_PROPOSAL: &str = "QueuedProposal";
const EPOCH_KEY_PAIRS: &str = "EpochKeyPairs";

impl StorageProvider<CURRENT_VERSION> for Storage {
    type Error = StorageError;

    one_per_group! {
        write_mls_join_config mls_group_join_config delete_group_config MlsGroupJoinConfig;
        write_interim_transcript_hash interim_transcript_hash delete_interim_transcript_hash InterimTranscriptHash;
        write_context group_context delete_context GroupContext;
        write_confirmation_tag confirmation_tag delete_confirmation_tag ConfirmationTag;
        write_message_secrets message_secrets delete_message_secrets MessageSecrets;
        write_resumption_psk_store resumption_psk_store delete_all_resumption_psk_secrets ResumptionPskStore;
        write_own_leaf_index own_leaf_index delete_own_leaf_index LeafNodeIndex;
        write_group_epoch_secrets group_epoch_secrets delete_group_epoch_secrets GroupEpochSecrets;
    }

    /// Nothing: half a megabyte in a call of a thousand, to be written with each commit and hardly ever read. The tree changes with a merged
    /// commit only, so whoever reads the state back has it in memory (`keep_tree`).
    fn write_tree<GroupId: traits::GroupId<CURRENT_VERSION>, V: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        _group_id: &GroupId,
        _tree: &V,
    ) -> Result<()> {
        Ok(())
    }

    fn tree<GroupId: traits::GroupId<CURRENT_VERSION>, V: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<V>> {
        self.get(TREE, group_id)
    }

    fn delete_tree<GroupId: traits::GroupId<CURRENT_VERSION>>(&self, group_id: &GroupId) -> Result<()> {
        self.delete(TREE, group_id)
    }

    one_per_key! {
        write_signature_key_pair delete_signature_key_pair SignaturePublicKey SignatureKeyPair;
        write_encryption_key_pair delete_encryption_key_pair EncryptionKey HpkeKeyPair;
        write_key_package delete_key_package HashReference KeyPackage;
        write_psk delete_psk PskId PskBundle;
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<1>, V: traits::SignatureKeyPair<1>>(
        &self,
        key: &K,
    ) -> Result<Option<V>> {
        self.get("SignatureKeyPair", key)
    }

    fn encryption_key_pair<V: traits::HpkeKeyPair<1>, K: traits::EncryptionKey<1>>(
        &self,
        key: &K,
    ) -> Result<Option<V>> {
        self.get("HpkeKeyPair", key)
    }

    fn key_package<K: traits::HashReference<1>, V: traits::KeyPackage<1>>(
        &self,
        key: &K,
    ) -> Result<Option<V>> {
        self.get("KeyPackage", key)
    }

    fn psk<V: traits::PskBundle<1>, K: traits::PskId<1>>(&self, key: &K) -> Result<Option<V>> {
        self.get("PskBundle", key)
    }

    fn write_group_state<V: traits::GroupState<1>, G: traits::GroupId<1>>(
        &self,
        group: &G,
        value: &V,
    ) -> Result<()> {
        self.set(GROUP_STATE, group, value)
    }

    fn group_state<V: traits::GroupState<1>, G: traits::GroupId<1>>(&self, group: &G) -> Result<Option<V>> {
        self.get(GROUP_STATE, group)
    }

    fn delete_group_state<G: traits::GroupId<1>>(&self, group: &G) -> Result<()> {
        self.delete(GROUP_STATE, group)
    }

    fn append_own_leaf_node<G: traits::GroupId<1>, V: traits::LeafNode<1>>(
        &self,
        group: &G,
        leaf: &V,
    ) -> Result<()> {
        self.push(LEAF_NODE, group, b"null".to_vec(), leaf)
    }

    fn own_leaf_nodes<G: traits::GroupId<1>, V: traits::LeafNode<1>>(&self, group: &G) -> Result<Vec<V>> {
        Ok(self.list::<(), V>(LEAF_NODE, group)?.into_iter().map(|((), leaf)| leaf).collect())
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<1>>(&self, group: &G) -> Result<()> {
        self.delete(LEAF_NODE, group)
    }

    fn queue_proposal<G: traits::GroupId<1>, R: traits::ProposalRef<1>, P: traits::QueuedProposal<1>>(
        &self,
        group: &G,
        reference: &R,
        proposal: &P,
    ) -> Result<()> {
        self.push(QUEUED_PROPOSAL, group, serde_json::to_vec(reference)?, proposal)
    }

    fn queued_proposal_refs<G: traits::GroupId<1>, R: traits::ProposalRef<1>>(
        &self,
        group: &G,
    ) -> Result<Vec<R>> {
        let list = self.list::<R, serde::de::IgnoredAny>(QUEUED_PROPOSAL, group)?;
        Ok(list.into_iter().map(|(reference, _)| reference).collect())
    }

    fn queued_proposals<G: traits::GroupId<1>, R: traits::ProposalRef<1>, P: traits::QueuedProposal<1>>(
        &self,
        group: &G,
    ) -> Result<Vec<(R, P)>> {
        self.list(QUEUED_PROPOSAL, group)
    }

    fn remove_proposal<G: traits::GroupId<1>, R: traits::ProposalRef<1>>(
        &self,
        group: &G,
        reference: &R,
    ) -> Result<()> {
        let reference = serde_json::to_vec(reference)?;
        self.change(place(QUEUED_PROPOSAL, group)?, |items| items.retain(|(name, _)| *name != reference));
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<1>, R: traits::ProposalRef<1>>(
        &self,
        group: &G,
    ) -> Result<()> {
        self.delete(QUEUED_PROPOSAL, group)
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<1>,
        E: traits::EpochKey<1>,
        V: traits::HpkeKeyPair<1>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[V],
    ) -> Result<()> {
        self.set(EPOCH_KEY_PAIRS, &(group, epoch, leaf), &pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<1>,
        E: traits::EpochKey<1>,
        V: traits::HpkeKeyPair<1>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<V>> {
        Ok(self.get(EPOCH_KEY_PAIRS, &(group, epoch, leaf))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<1>, E: traits::EpochKey<1>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<()> {
        self.delete(EPOCH_KEY_PAIRS, &(group, epoch, leaf))
    }
}
