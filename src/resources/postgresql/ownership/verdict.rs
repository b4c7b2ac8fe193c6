//! What the failure of a transaction that moves objects means for them. Pure.

use crate::resources::postgresql::ownership::moving::MOVE;
use crate::sql::error::{Error, Kind};

/// What a failed transaction means for its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One of them is in the way; which, is found in smaller transactions.
    Split,
    /// It is in use: later.
    Later,
    /// It is gone.
    Gone,
    /// The server will not.
    Refused,
    /// Nothing to do with the objects; everything anew in a moment.
    Again,
    /// Nothing will help.
    Fail,
}

/// Judges the failure of a transaction that was to move so many objects.
#[must_use]
pub fn verdict(error: &Error, count: usize) -> Verdict {
    let about_an_object = error.statement == MOVE;
    let (many, alone) = (count > 1, count == 1);
    match error.kind {
        Kind::LockNotAvailable | Kind::Deadlock | Kind::ConcurrentUpdate | Kind::Serialization if about_an_object => {
            if alone {
                Verdict::Later
            } else {
                Verdict::Split
            }
        }
        Kind::OutOfLockMemory if many => Verdict::Split,
        Kind::OutOfLockMemory => Verdict::Fail,
        _ if error.is_transient() => Verdict::Again,
        Kind::Cancelled => Verdict::Fail,
        Kind::NotFound if many => Verdict::Split,
        Kind::NotFound if about_an_object => Verdict::Gone,
        _ if about_an_object && many => Verdict::Split,
        _ if about_an_object => Verdict::Refused,
        _ => Verdict::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: Kind, statement: &'static str, count: usize) -> Verdict {
        verdict(&Error::new(kind, "x").during(statement), count)
    }

    #[test]
    fn one_object_in_the_way_is_found_by_halving() {
        for kind in [
            Kind::LockNotAvailable,
            Kind::Deadlock,
            Kind::PermissionDenied,
            Kind::NotFound,
        ] {
            assert_eq!(told(kind, MOVE, 8), Verdict::Split, "{kind:?}");
        }
        assert_eq!(told(Kind::LockNotAvailable, MOVE, 1), Verdict::Later);
        assert_eq!(told(Kind::PermissionDenied, MOVE, 1), Verdict::Refused);
        assert_eq!(told(Kind::NotFound, MOVE, 1), Verdict::Gone);
    }

    #[test]
    fn what_is_not_about_an_object_is_no_reason_to_leave_one_out() {
        assert_eq!(told(Kind::PermissionDenied, "GRANT {} TO {}", 8), Verdict::Fail);
        assert_eq!(told(Kind::LockNotAvailable, "GRANT {} TO {}", 8), Verdict::Again);
        assert_eq!(told(Kind::ConnectionLost, "COMMIT", 8), Verdict::Again);
        assert_eq!(told(Kind::OutOfLockMemory, "GRANT {} TO {}", 8), Verdict::Split);
        assert_eq!(told(Kind::OutOfLockMemory, MOVE, 1), Verdict::Fail);
    }
}
