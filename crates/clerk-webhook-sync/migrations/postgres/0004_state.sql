-- What imports and reconciliations remember between runs: the Clerk instance whose objects the tables contain, the
-- progress of an import, and when each table was last compared with Clerk completely.
CREATE TABLE IF NOT EXISTS clerk_sync_state (
    name                     TEXT             NOT NULL PRIMARY KEY,
    value                    TEXT             NOT NULL,
    updated_at               BIGINT           NOT NULL  -- when the value was written, by the writer's clock
);

INSERT INTO clerk_sync_schema (version) VALUES (4) ON CONFLICT DO NOTHING;
