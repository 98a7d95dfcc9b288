//! The budget of a school: versions of a year's budget, their lines by
//! account, and what finance people read off them.
//!
//! Pure: no input or output, no clock, no task. What comes in is read from
//! text, JSON and CSV with every problem told; what goes out has the shape
//! that the web client knows.

mod id;

pub use id::{LineId, OrganizationId, RevisionToken, UserId, VersionId};

mod vocabulary;

pub use vocabulary::{
    Category, LineType, Period, Role, Section, StatementPeriod, Unknown, VersionStatus,
};

mod amount;

pub use amount::{Amount, InvalidAmount};

mod problem;

pub use problem::{Loc, Problem, Problems};

mod input;

pub use input::{path_id, path_period};

mod page;

pub use page::{Page, Paging};

mod version;

pub use version::{
    CloneRequest, ComparisonQuery, NewVersion, Version, VersionChange, VersionQuery,
};

mod line;

pub use line::{
    AccountCode, InvalidAccountCode, Line, LineChange, LineQuery, MAXIMUM_LINES, NewLine, NewLines,
};

mod rules;

pub use rules::{Action, Forbidden, WorkingExists, WrongStatus};

mod consolidation;

pub use consolidation::{
    Aggregate, CategorySum, Consolidation, Item, Summary, Totals, VersionHead,
};

mod statements;

pub use statements::{IncomeStatement, PeriodStatement, StatementLine};

mod comparison;

pub use comparison::{ComparedItem, ComparedTotals, Comparison, Difference, Percent};

pub mod csv;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
