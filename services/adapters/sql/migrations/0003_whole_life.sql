-- The whole life of a case: parts, requests, attached reports and the like rest in one column beside the row,
-- null for most cases; a due remembers its extension.

ALTER TABLE cases ADD COLUMN report_id uuid;              -- of the report it began with; null for a part of another case
ALTER TABLE cases ADD COLUMN grid_code text;
ALTER TABLE cases ADD COLUMN side jsonb;                  -- services.domain.case.Side, less what is as in most cases
UPDATE cases c SET report_id = (e.payload ->> 'report_id')::uuid FROM events e WHERE e.case_id = c.case_id AND e.seq = 1;

ALTER TABLE cases DROP CONSTRAINT cases_check;
ALTER TABLE cases ADD CONSTRAINT cases_ended CHECK (
    (state IN ('declined', 'redirected', 'attached', 'closed', 'archived', 'withdrawn')) = (closed_at IS NOT NULL));

ALTER TABLE deadlines ADD COLUMN extended_by text;        -- the limit of the extension
ALTER TABLE deadlines ADD COLUMN original_due_at timestamptz;

ALTER TABLE reports ADD COLUMN on_behalf boolean NOT NULL DEFAULT false;

ALTER TABLE staff.accounts DROP CONSTRAINT accounts_role_check;
ALTER TABLE staff.accounts ADD CONSTRAINT accounts_role_check
    CHECK (role IN ('dispatcher', 'unit', 'supervisor', 'callback_agent', 'auditor'));
