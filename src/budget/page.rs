//! Lists, a page at a time.

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::input::{Fields, Value};

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    #[param(required = false, minimum = 1, maximum = 1_000_000, default = 1)]
    pub page: u32,
    #[param(required = false, minimum = 1, maximum = 100, default = 50)]
    pub page_size: u32,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
    pub page: u32,
    pub page_size: u32,
    pub total_pages: u64,
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            page: 1,
            page_size: 50,
        }
    }
}

impl Paging {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let default = Self::default();
        let mut number = |name, maximum, default| {
            let read = |value: &Value<'_>| value.integer(1, maximum);
            let given = fields.optional(name, read);
            given.map_or(default, i32::unsigned_abs)
        };
        Self {
            page: number("page", 1_000_000, default.page),
            page_size: number("page_size", 100, default.page_size),
        }
    }

    /// For SQL.
    pub fn limit(self) -> i64 {
        self.page_size.into()
    }

    /// For SQL.
    pub fn offset(self) -> i64 {
        i64::from(self.page - 1) * i64::from(self.page_size)
    }

    /// This page, with what stands on it.
    pub fn page<T>(self, items: Vec<T>, total: u64) -> Page<T> {
        Page {
            items,
            total,
            page: self.page,
            page_size: self.page_size,
            total_pages: total.div_ceil(self.page_size.into()),
        }
    }
}
