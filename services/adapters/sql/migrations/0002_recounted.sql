-- The version up to which every case was asked to count its dues again; null: none since the first.
-- Written when all have answered, so a recount that was cut off is made up for at the next start.
ALTER TABLE active_city ADD COLUMN recounted_version integer REFERENCES city_versions;
