//! Stub.
use macula_rust::node_key::key_id_of;
use macula_rust::profile::Profile;
use macula_rust::ucan::Policy;
use crate::capability::Access;
use crate::config::mesh::Realm;
pub(crate) fn policy_of(access: Access, realm: &Realm) -> Option<Policy> {
    match access {
        Access::Open => None,
        Access::Realm => Some(Policy::RealmMemberRequired { key_id: key_id_of(&realm.key, Profile::PqPure), can: "call".to_owned() }),
        Access::Issuer(node) => Some(Policy::UcanRequired { issuer: *node.as_bytes() }),
    }
}
