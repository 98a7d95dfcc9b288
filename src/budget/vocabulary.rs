//! The closed sets of words: statuses, categories, periods, roles.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A text that is none of the words of its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known words")]
pub struct Unknown;

/// A closed set of words, the same in JSON, in CSV and in the database.
pub(super) trait Word: FromStr<Err = Unknown> + 'static {
    const WORDS: &[&'static str];
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every one of them, in their order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl Word for $name {
            const WORDS: &[&'static str] = &[$($word),*];
        }

        // The derive would show the names of variants: it cannot see a `rename`
        // that comes out of a macro.
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some([$($word),*]))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Unknown;

            fn from_str(text: &str) -> Result<Self, Unknown> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(Unknown),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}

words! {
    /// Where a version stands on its way to approval.
    VersionStatus {
        /// It can be edited; at most one per organization and fiscal year.
        Working = "working",
        Submitted = "submitted",
        Approved = "approved",
        Forecast = "forecast",
        /// Replaced by another one, and kept.
        Superseded = "superseded",
    }

    /// What a line is spent on or earned with.
    Category {
        RevenueTuition = "revenue_tuition",
        RevenueFees = "revenue_fees",
        RevenueOther = "revenue_other",
        PersonnelTeaching = "personnel_teaching",
        PersonnelAdmin = "personnel_admin",
        PersonnelSupport = "personnel_support",
        PersonnelSocial = "personnel_social",
        OperatingSupplies = "operating_supplies",
        OperatingUtilities = "operating_utilities",
        OperatingMaintenance = "operating_maintenance",
        OperatingInsurance = "operating_insurance",
        OperatingOther = "operating_other",
        CapexEquipment = "capex_equipment",
        CapexIt = "capex_it",
        CapexFurniture = "capex_furniture",
        CapexBuilding = "capex_building",
        CapexSoftware = "capex_software",
    }

    /// A part of the fiscal year; the three of them are the year.
    Period {
        P1 = "p1",
        Summer = "summer",
        P2 = "p2",
    }

    /// What a statement covers: a period, or the year.
    StatementPeriod {
        P1 = "p1",
        Summer = "summer",
        P2 = "p2",
        Annual = "annual",
    }

    /// What a line of a statement is.
    LineType {
        SectionHeader = "section_header",
        AccountLine = "account_line",
        Subtotal = "subtotal",
        Total = "total",
    }

    /// What a user may do; each role may do what the ones before it may.
    Role {
        Viewer = "viewer",
        Planner = "planner",
        Manager = "manager",
        Admin = "admin",
    }
}

/// The part of the consolidated view that a category is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    Revenue,
    Personnel,
    Operating,
    /// Capital expenditure: an investment, and no expense of the year.
    Capex,
}

impl Category {
    pub const fn section(self) -> Section {
        match self {
            Self::RevenueTuition | Self::RevenueFees | Self::RevenueOther => Section::Revenue,
            Self::PersonnelTeaching
            | Self::PersonnelAdmin
            | Self::PersonnelSupport
            | Self::PersonnelSocial => Section::Personnel,
            Self::OperatingSupplies
            | Self::OperatingUtilities
            | Self::OperatingMaintenance
            | Self::OperatingInsurance
            | Self::OperatingOther => Section::Operating,
            Self::CapexEquipment
            | Self::CapexIt
            | Self::CapexFurniture
            | Self::CapexBuilding
            | Self::CapexSoftware => Section::Capex,
        }
    }

    pub const fn is_revenue(self) -> bool {
        matches!(self.section(), Section::Revenue)
    }
}

impl StatementPeriod {
    pub const fn covers(self, period: Period) -> bool {
        matches!(
            (self, period),
            (Self::Annual, _)
                | (Self::P1, Period::P1)
                | (Self::Summer, Period::Summer)
                | (Self::P2, Period::P2)
        )
    }
}

impl Role {
    /// Versions, lines and everything computed from them.
    pub fn may_read(self) -> bool {
        self >= Self::Viewer
    }

    /// Everything that changes a version or its lines, approval aside.
    pub fn may_write(self) -> bool {
        self >= Self::Planner
    }

    pub fn may_approve(self) -> bool {
        self >= Self::Manager
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_a_category_is_its_first_word() {
        for category in Category::ALL {
            let section = format!("{:?}_", category.section()).to_lowercase();
            assert!(category.as_str().starts_with(&section), "{category}");
        }
        assert_eq!(Category::ALL.len(), 17);
    }

    #[test]
    fn words_are_the_same_in_json_and_in_text() {
        for category in Category::ALL {
            let json = serde_json::to_string(category).unwrap();
            assert_eq!(json, format!("\"{category}\""));
            assert_eq!(category.as_str().parse(), Ok(*category));
        }
        assert_eq!("P1".parse::<Period>(), Err(Unknown));
    }

    #[test]
    fn the_documentation_tells_the_words_themselves() {
        let schema = serde_json::to_value(Period::schema()).unwrap();
        assert_eq!(
            schema,
            serde_json::json!({"type": "string", "enum": ["p1", "summer", "p2"]})
        );
    }

    #[test]
    fn a_role_may_do_what_the_ones_before_it_may() {
        let rights = |role: Role| (role.may_read(), role.may_write(), role.may_approve());
        assert_eq!(rights(Role::Viewer), (true, false, false));
        assert_eq!(rights(Role::Planner), (true, true, false));
        assert_eq!(rights(Role::Manager), (true, true, true));
        assert_eq!(rights(Role::Admin), (true, true, true));
    }
}
