-- Budget versions, their lines, and the answers that retried requests get
-- again. The names of constraints are part of the program: it tells by them
-- what a client did wrong.

-- The oldest program that can work with this schema. A migration that takes
-- something away raises it; one that only adds leaves it alone.
CREATE TABLE budgetd.compatibility (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    oldest_binary text NOT NULL
);
INSERT INTO budgetd.compatibility (oldest_binary) VALUES ('0.1.0');

CREATE TABLE budgetd.budget_versions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL,
    name text NOT NULL
        CONSTRAINT budget_versions_name CHECK (char_length(name) BETWEEN 1 AND 100),
    fiscal_year integer NOT NULL
        CONSTRAINT budget_versions_fiscal_year CHECK (fiscal_year BETWEEN 2020 AND 2100),
    academic_year text NOT NULL
        CONSTRAINT budget_versions_academic_year CHECK (char_length(academic_year) <= 20),
    notes text,
    status text NOT NULL DEFAULT 'working'
        CONSTRAINT budget_versions_status
        CHECK (status IN ('working', 'submitted', 'approved', 'forecast', 'superseded')),
    is_baseline boolean NOT NULL DEFAULT false,
    parent_version_id uuid
        CONSTRAINT budget_versions_parent
        REFERENCES budgetd.budget_versions (id) ON DELETE SET NULL,
    submitted_at timestamptz,
    submitted_by_id uuid,
    approved_at timestamptz,
    approved_by_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- Renewed by triggers with every write to the version or to its lines.
    revision_token uuid NOT NULL DEFAULT gen_random_uuid()
);

CREATE UNIQUE INDEX budget_versions_one_working
    ON budgetd.budget_versions (organization_id, fiscal_year)
    WHERE status = 'working';
-- Lists, newest first: of one organization, and of all.
CREATE INDEX budget_versions_newest_of_organization
    ON budgetd.budget_versions (organization_id, created_at DESC, id DESC);
CREATE INDEX budget_versions_newest
    ON budgetd.budget_versions (created_at DESC, id DESC);
-- Deleting a version looks for its children.
CREATE INDEX budget_versions_children
    ON budgetd.budget_versions (parent_version_id)
    WHERE parent_version_id IS NOT NULL;

CREATE TABLE budgetd.budget_lines (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    budget_version_id uuid NOT NULL
        CONSTRAINT budget_lines_version
        REFERENCES budgetd.budget_versions (id) ON DELETE CASCADE,
    account_code text NOT NULL
        CONSTRAINT budget_lines_account_code CHECK (account_code ~ '^[0-9]{2,10}$'),
    account_name text NOT NULL
        CONSTRAINT budget_lines_account_name CHECK (char_length(account_name) BETWEEN 1 AND 200),
    category text NOT NULL
        CONSTRAINT budget_lines_category
        CHECK (category IN (
            'revenue_tuition', 'revenue_fees', 'revenue_other',
            'personnel_teaching', 'personnel_admin', 'personnel_support', 'personnel_social',
            'operating_supplies', 'operating_utilities', 'operating_maintenance',
            'operating_insurance', 'operating_other',
            'capex_equipment', 'capex_it', 'capex_furniture', 'capex_building', 'capex_software'
        )),
    period text NOT NULL
        CONSTRAINT budget_lines_period CHECK (period IN ('p1', 'summer', 'p2')),
    amount_sar numeric(15, 2) NOT NULL
        CONSTRAINT budget_lines_amount CHECK (amount_sar <> 'NaN'),
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by_id uuid
);

-- The lines of a version, by account. Equal entries of this index are kept as
-- one, which loads quicker than an index that ends with the lines' ids.
CREATE INDEX budget_lines_of_version
    ON budgetd.budget_lines (budget_version_id, account_code);

CREATE TABLE budgetd.idempotency_keys (
    user_id uuid NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    key text NOT NULL
        CONSTRAINT idempotency_keys_key CHECK (char_length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    -- Of the answer; null only inside the transaction that makes it.
    status smallint,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_once PRIMARY KEY (user_id, method, path, key)
);

CREATE INDEX idempotency_keys_oldest ON budgetd.idempotency_keys (created_at);

-- A version that was written has another token than before, whoever wrote it
-- and whatever they gave.
CREATE FUNCTION budgetd.renew_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision_token := gen_random_uuid();
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER renew_version
    BEFORE INSERT OR UPDATE ON budgetd.budget_versions
    FOR EACH ROW EXECUTE FUNCTION budgetd.renew_version();

-- A line stays with its version: moving it would change two of them.
CREATE FUNCTION budgetd.touch_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.budget_version_id <> OLD.budget_version_id THEN
        RAISE EXCEPTION 'a budget line cannot move to another version';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER touch_line
    BEFORE UPDATE ON budgetd.budget_lines
    FOR EACH ROW EXECUTE FUNCTION budgetd.touch_line();

-- Once for each statement, so that a load of 100,000 lines renews one token.
-- The versions are locked in one order, so that two such statements cannot
-- wait for each other.
CREATE FUNCTION budgetd.renew_versions_of_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    versions uuid[] := ARRAY(SELECT DISTINCT budget_version_id FROM changed);
BEGIN
    PERFORM 1 FROM budgetd.budget_versions
        WHERE id = ANY (versions) ORDER BY id FOR NO KEY UPDATE;
    UPDATE budgetd.budget_versions SET updated_at = updated_at
        WHERE id = ANY (versions);
    RETURN NULL;
END
$$;

CREATE TRIGGER renew_versions_of_inserted
    AFTER INSERT ON budgetd.budget_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION budgetd.renew_versions_of_lines();
CREATE TRIGGER renew_versions_of_updated
    AFTER UPDATE ON budgetd.budget_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION budgetd.renew_versions_of_lines();
CREATE TRIGGER renew_versions_of_deleted
    AFTER DELETE ON budgetd.budget_lines REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION budgetd.renew_versions_of_lines();

-- TRUNCATE passes by the triggers above.
CREATE FUNCTION budgetd.renew_every_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE budgetd.budget_versions SET updated_at = updated_at;
    RETURN NULL;
END
$$;

CREATE TRIGGER renew_every_version
    AFTER TRUNCATE ON budgetd.budget_lines
    FOR EACH STATEMENT EXECUTE FUNCTION budgetd.renew_every_version();
