//! The claims of a token, tried with whatever bytes there are.

use super::*;

/// Reads claims as those of a token that was verified.
pub(in crate::identity::token) fn grants(claims: &[u8], ends: SystemTime, now: Now) {
    let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(claims) else { return };
    match Held::granting(b"token", &claims, ends, "hecate.local".to_owned(), now) {
        Ok(held) => is_sound(held, now),
        Err(why) => assert!(why.starts_with("the realm's token has "), "{why}"),
    }
}

/// A token is for each procedure that it names, is renewed before its end, and is of no use after it.
pub(in crate::identity::token) fn is_sound(held: Held, now: Now) {
    let (until, procedures) = (held.until, held.procedures.clone());
    assert!(until >= now.wall);
    let mut shelf = Shelf::default();
    shelf.put(held);
    for procedure in &procedures {
        let is_good = now.wall + MARGIN < until;
        assert_eq!(shelf.for_procedure(procedure, now.wall).is_some(), is_good, "{procedure}");
        assert!(shelf.for_procedure(procedure, until).is_none());
    }
    assert!(!shelf.has_good(until));
    drop(shelf.for_procedure("lab/lab.few_v1", now.wall));
    let wanted = Grant { with: "mri:proc:hecate.local/lab/lab.few_v1".to_owned(), can: CALL };
    assert!(shelf.lacks([("call:lab/lab.few@1", wanted)].into_iter()).len() <= 1);
}
