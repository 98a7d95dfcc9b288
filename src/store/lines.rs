//! The lines of a version. Whoever writes them has locked the version before.

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use rust_decimal::Decimal;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::row::{column, count_of, word};
use super::{StoreError, Transaction};
use crate::budget::{
    AccountCode, Amount, Category, Line, LineChange, LineId, LineQuery, NewLine, Page, Period,
    UserId, VersionId,
};

const COLUMNS: &str = "id, budget_version_id, account_code, account_name, category, period, \
     amount_sar, notes, created_at, updated_at, created_by_id";

/// Those of a version that a query asks for; the parameters are [`Wanted`].
const WHERE: &str = "budget_version_id = $1 AND ($2::text IS NULL OR category = $2) \
     AND ($3::text IS NULL OR account_code = $3) AND ($4::text IS NULL OR period = $4)";

/// A page of the lines of a version, by account.
pub async fn list(
    transaction: &Transaction,
    version: VersionId,
    query: &LineQuery,
) -> Result<Page<Line>, StoreError> {
    let wanted = Wanted::new(version, query);
    let (limit, offset) = (query.paging.limit(), query.paging.offset());
    let rows = format!(
        "SELECT {COLUMNS} FROM budgetd.budget_lines WHERE {WHERE} \
         ORDER BY account_code, id LIMIT $5 OFFSET $6"
    );
    let count = format!("SELECT count(*) AS total FROM budgetd.budget_lines WHERE {WHERE}");
    let which = wanted.parameters();
    let mut paged = wanted.parameters().to_vec();
    paged.extend([(&limit as _, Type::INT8), (&offset as _, Type::INT8)]);
    let (rows, total) = tokio::try_join!(
        transaction.rows(&rows, &paged),
        transaction.row(&count, &which)
    )?;
    let lines = rows.iter().map(line).collect::<Result<_, _>>()?;
    Ok(query.paging.page(lines, count_of(&total)?))
}

/// The parameters of [`WHERE`].
struct Wanted<'a> {
    version: Uuid,
    category: Option<&'static str>,
    account_code: Option<&'a str>,
    period: Option<&'static str>,
}

impl<'a> Wanted<'a> {
    fn new(version: VersionId, query: &'a LineQuery) -> Self {
        Self {
            version: version.uuid(),
            category: query.category.map(Category::as_str),
            account_code: query.account_code.as_ref().map(AccountCode::as_str),
            period: query.period.map(Period::as_str),
        }
    }

    fn parameters(&self) -> [(&(dyn ToSql + Sync), Type); 4] {
        [
            (&self.version, Type::UUID),
            (&self.category, Type::TEXT),
            (&self.account_code, Type::TEXT),
            (&self.period, Type::TEXT),
        ]
    }
}

/// Adds lines with one `COPY`; answers with their ids, in order.
pub async fn insert(
    transaction: &Transaction,
    version: VersionId,
    user: UserId,
    new: &[NewLine],
) -> Result<Vec<LineId>, StoreError> {
    // Ids that grow are added at one end of the index, which takes a load a
    // fifth less time than random ones.
    let ids: Vec<LineId> = new.iter().map(|_| LineId::new(Uuid::now_v7())).collect();
    let rows: Vec<(LineId, &NewLine)> = ids.iter().copied().zip(new).collect();
    // Encoded while the ones before are sent, a piece at a time.
    let pieces = rows.chunks(PIECE).map(|rows| encode(rows, version, user));
    transaction
        .copy_in(
            "COPY budgetd.budget_lines (id, budget_version_id, account_code, account_name, \
             category, period, amount_sar, notes, created_by_id) FROM STDIN",
            stream::iter(pieces),
        )
        .await?;
    Ok(ids)
}

/// So many rows are encoded at once.
const PIECE: usize = 1_000;

/// Rows in the text format of `COPY`:
/// <https://www.postgresql.org/docs/current/sql-copy.html>.
fn encode(rows: &[(LineId, &NewLine)], version: VersionId, user: UserId) -> Bytes {
    use std::fmt::Write;

    let mut text = BytesMut::with_capacity(rows.len() * 160);
    for (id, line) in rows {
        // Writing to memory cannot fail.
        let _ = write!(text, "{id}\t{version}\t{}\t", line.account_code);
        escape(&mut text, &line.account_name);
        let _ = write!(
            text,
            "\t{}\t{}\t{}\t",
            line.category, line.period, line.amount_sar
        );
        match &line.notes {
            Some(notes) => escape(&mut text, notes),
            None => text.put_slice(b"\\N"),
        }
        let _ = writeln!(text, "\t{user}");
    }
    text.freeze()
}

fn escape(text: &mut BytesMut, raw: &str) {
    for byte in raw.bytes() {
        match byte {
            b'\\' => text.put_slice(b"\\\\"),
            b'\n' => text.put_slice(b"\\n"),
            b'\r' => text.put_slice(b"\\r"),
            b'\t' => text.put_slice(b"\\t"),
            other => text.put_u8(other),
        }
    }
}

/// The lines with these ids, in the order of the ids.
pub async fn find(transaction: &Transaction, ids: &[LineId]) -> Result<Vec<Line>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM unnest($1) WITH ORDINALITY AS wanted (id, place) \
         JOIN budgetd.budget_lines USING (id) ORDER BY place"
    );
    let rows = transaction.rows(&sql, &[(&ids, Type::UUID_ARRAY)]).await?;
    rows.iter().map(line).collect()
}

/// Changes a line of a version; `None` when it has no such line.
pub async fn change(
    transaction: &Transaction,
    version: VersionId,
    id: LineId,
    change: &LineChange,
) -> Result<Option<Line>, StoreError> {
    let sql = format!(
        "UPDATE budgetd.budget_lines SET account_code = coalesce($3, account_code), \
         account_name = coalesce($4, account_name), category = coalesce($5, category), \
         period = coalesce($6, period), amount_sar = coalesce($7, amount_sar), \
         notes = CASE WHEN $8 THEN $9 ELSE notes END \
         WHERE budget_version_id = $1 AND id = $2 RETURNING {COLUMNS}"
    );
    let account_code = change.account_code.as_ref().map(AccountCode::as_str);
    let notes = change.notes.as_ref().and_then(Option::as_deref);
    let row = transaction
        .optional_row(
            &sql,
            &[
                (&version.uuid(), Type::UUID),
                (&id.uuid(), Type::UUID),
                (&account_code, Type::TEXT),
                (&change.account_name, Type::TEXT),
                (&change.category.map(Category::as_str), Type::TEXT),
                (&change.period.map(Period::as_str), Type::TEXT),
                (&change.amount_sar.map(Amount::decimal), Type::NUMERIC),
                (&change.notes.is_some(), Type::BOOL),
                (&notes, Type::TEXT),
            ],
        )
        .await?;
    row.as_ref().map(line).transpose()
}

/// Removes a line of a version; whether it had one.
pub async fn delete(
    transaction: &Transaction,
    version: VersionId,
    id: LineId,
) -> Result<bool, StoreError> {
    let removed = transaction
        .execute(
            "DELETE FROM budgetd.budget_lines WHERE budget_version_id = $1 AND id = $2",
            &[(&version.uuid(), Type::UUID), (&id.uuid(), Type::UUID)],
        )
        .await?;
    Ok(removed > 0)
}

/// Copies all lines of `from` to `to` in one statement.
pub async fn copy(
    transaction: &Transaction,
    from: VersionId,
    to: VersionId,
    user: UserId,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT INTO budgetd.budget_lines (budget_version_id, account_code, account_name, \
             category, period, amount_sar, notes, created_by_id) \
             SELECT $2, account_code, account_name, category, period, amount_sar, notes, $3 \
             FROM budgetd.budget_lines WHERE budget_version_id = $1",
            &[
                (&from.uuid(), Type::UUID),
                (&to.uuid(), Type::UUID),
                (&user.uuid(), Type::UUID),
            ],
        )
        .await
        .map(drop)
}

/// All lines of a version, in batches: a cursor, so that neither side holds
/// more than one batch, and all of them are of the transaction's one state.
#[derive(Debug)]
pub struct Export {
    transaction: Transaction,
}

impl Export {
    /// So many lines are fetched at once.
    const BATCH: usize = 1_000;

    /// Takes a transaction for itself, to the end.
    pub async fn begin(
        transaction: Transaction,
        version: VersionId,
        query: &LineQuery,
    ) -> Result<Self, StoreError> {
        let sql = format!(
            "DECLARE export NO SCROLL CURSOR FOR SELECT {COLUMNS} FROM budgetd.budget_lines \
             WHERE {WHERE} ORDER BY account_code, id"
        );
        let wanted = Wanted::new(version, query);
        transaction.execute(&sql, &wanted.parameters()).await?;
        Ok(Self { transaction })
    }

    /// The next batch; an empty one is the end.
    pub async fn next(&self) -> Result<Vec<Line>, StoreError> {
        let sql = format!("FETCH {} FROM export", Self::BATCH);
        let rows = self.transaction.rows(&sql, &[]).await?;
        rows.iter().map(line).collect()
    }
}

fn line(row: &Row) -> Result<Line, StoreError> {
    let amount: Decimal = column(row, "amount_sar")?;
    let amount = Amount::try_from(amount);
    Ok(Line {
        id: column::<Uuid>(row, "id")?.into(),
        budget_version_id: column::<Uuid>(row, "budget_version_id")?.into(),
        account_code: word(row, "account_code")?,
        account_name: column(row, "account_name")?,
        category: word(row, "category")?,
        period: word(row, "period")?,
        amount_sar: amount.map_err(|error| StoreError::Broken(error.to_string()))?,
        notes: column(row, "notes")?,
        created_at: column(row, "created_at")?,
        updated_at: column(row, "updated_at")?,
        created_by_id: column::<Option<Uuid>>(row, "created_by_id")?.map(UserId::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_it_holds() {
        let new = NewLine {
            account_code: "641".parse().unwrap(),
            account_name: "a\tb\\c\r\nd".to_owned(),
            category: Category::CapexIt,
            period: Period::P1,
            amount_sar: "1.50".parse().unwrap(),
            notes: None,
        };
        let nil = Uuid::nil();
        let encoded = encode(&[(nil.into(), &new)], nil.into(), nil.into());
        assert_eq!(
            encoded,
            format!("{nil}\t{nil}\t641\ta\\tb\\\\c\\r\\nd\tcapex_it\tp1\t1.50\t\\N\t{nil}\n")
        );
    }
}
