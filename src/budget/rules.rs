//! What may be done to a version: by whom, and in which status.

use super::{Role, Version, VersionStatus};

/// Something that is done to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A change of the version itself or of its lines.
    Edit,
    Submit,
    Approve,
    Supersede,
    Delete,
}

/// Who asks may not do it (403).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The role '{role}' may not do this: it takes '{needed}' or above")]
pub struct Forbidden {
    pub role: Role,
    pub needed: Role,
}

/// The version is in a status in which that is not done (422).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Cannot {} a version with status '{status}': {}", .action.verb(), .action.condition())]
pub struct WrongStatus {
    pub action: Action,
    pub status: VersionStatus,
}

/// There is one working version per organization and fiscal year (409).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "A working version already exists for fiscal year {fiscal_year}: submit or supersede it first"
)]
pub struct WorkingExists {
    pub fiscal_year: i32,
}

impl Role {
    /// Whether this role is the needed one or above it.
    pub fn require(self, needed: Self) -> Result<(), Forbidden> {
        if self >= needed {
            Ok(())
        } else {
            Err(Forbidden { role: self, needed })
        }
    }
}

impl Action {
    pub const ALL: &[Self] = &[
        Self::Edit,
        Self::Submit,
        Self::Approve,
        Self::Supersede,
        Self::Delete,
    ];

    /// The least role that may do it to some version.
    pub const fn role(self) -> Role {
        match self {
            Self::Approve => Role::Manager,
            Self::Edit | Self::Submit | Self::Supersede | Self::Delete => Role::Planner,
        }
    }

    /// The least role that may do it to a version of this status: an approval
    /// is taken back by those who may give it.
    pub const fn role_on(self, status: VersionStatus) -> Role {
        match (self, status) {
            (Self::Supersede, VersionStatus::Approved) => Role::Manager,
            _ => self.role(),
        }
    }

    /// Whether it is done to a version of this status.
    const fn is_open_to(self, status: VersionStatus) -> bool {
        use VersionStatus::{Approved, Submitted, Superseded, Working};
        match self {
            Self::Edit | Self::Submit => matches!(status, Working),
            Self::Approve => matches!(status, Submitted),
            Self::Supersede => !matches!(status, Superseded),
            Self::Delete => !matches!(status, Approved),
        }
    }

    /// Whether it is done to this version. What was approved once is not
    /// deleted, whatever became of it.
    pub fn check(self, version: &Version) -> Result<(), WrongStatus> {
        let on_record = self == Self::Delete && version.approved_at.is_some();
        if self.is_open_to(version.status) && !on_record {
            Ok(())
        } else {
            Err(WrongStatus {
                action: self,
                status: version.status,
            })
        }
    }

    /// The status that it leads to, if it leads to another one.
    pub const fn leads_to(self) -> Option<VersionStatus> {
        match self {
            Self::Edit | Self::Delete => None,
            Self::Submit => Some(VersionStatus::Submitted),
            Self::Approve => Some(VersionStatus::Approved),
            Self::Supersede => Some(VersionStatus::Superseded),
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Edit => "change",
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::Supersede => "supersede",
            Self::Delete => "delete",
        }
    }

    const fn condition(self) -> &'static str {
        match self {
            Self::Edit => "only working versions can be changed",
            Self::Submit => "only working versions can be submitted",
            Self::Approve => "only submitted versions can be approved",
            Self::Supersede => "it is superseded already",
            Self::Delete => "what was approved stays on record",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::version::tests::version;

    #[test]
    fn each_action_has_its_statuses() {
        use Action::{Approve, Delete, Edit, Submit, Supersede};
        for (status, open) in [
            (
                VersionStatus::Working,
                &[Edit, Submit, Supersede, Delete][..],
            ),
            (VersionStatus::Submitted, &[Approve, Supersede, Delete]),
            (VersionStatus::Approved, &[Supersede]),
            (VersionStatus::Forecast, &[Supersede, Delete]),
            (VersionStatus::Superseded, &[Delete]),
        ] {
            let is_open = |action: &&Action| action.check(&version(status)).is_ok();
            let found: Vec<Action> = Action::ALL.iter().filter(is_open).copied().collect();
            assert_eq!(found, open, "{status}");
        }
    }

    #[test]
    fn no_action_leads_to_a_status_that_it_is_done_in() {
        for action in Action::ALL {
            let stays = action
                .leads_to()
                .is_some_and(|next| action.is_open_to(next));
            assert!(!stays, "{action:?}");
        }
    }

    #[test]
    fn an_approval_is_taken_back_by_managers_and_stays_on_record() {
        for status in VersionStatus::ALL.iter().copied() {
            let needed = Action::Supersede.role_on(status);
            let expected = match status {
                VersionStatus::Approved => Role::Manager,
                _ => Role::Planner,
            };
            assert_eq!(needed, expected, "{status}");
        }
        let mut replaced = version(VersionStatus::Superseded);
        assert_eq!(Action::Delete.check(&replaced), Ok(()));
        replaced.approved_at = Some(jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(
            Action::Delete.check(&replaced).unwrap_err().to_string(),
            "Cannot delete a version with status 'superseded': what was approved stays on record"
        );
    }

    #[test]
    fn a_refusal_is_a_sentence() {
        let working = version(VersionStatus::Working);
        let wrong = Action::Approve.check(&working).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "Cannot approve a version with status 'working': only submitted versions can be approved"
        );
        let forbidden = Role::Planner.require(Action::Approve.role()).unwrap_err();
        assert_eq!(
            forbidden.to_string(),
            "The role 'planner' may not do this: it takes 'manager' or above"
        );
        assert_eq!(Role::Manager.require(Action::Approve.role()), Ok(()));
        assert_eq!(Role::Admin.require(Role::Planner), Ok(()));
    }
}
