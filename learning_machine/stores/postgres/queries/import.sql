-- What other systems wrote into a Postgres of theirs. Nothing is written there.

-- name: agno_table
-- The table that has the columns of agno's learnings, newest first where there are several.
select table_schema as schema, table_name as name from information_schema.columns
where column_name in ('learning_id', 'learning_type', 'content', 'entity_id', 'user_id')
group by table_schema, table_name having count(*) = 5 order by (table_name like '%learnings%') desc, table_schema, table_name limit 1;

-- name: agno_rows
-- What is a user's, and what is nobody's in particular.
select learning_id, learning_type, namespace, user_id, session_id, entity_id, entity_type, content from {table}
where user_id is null or user_id = %(user)s order by created_at, learning_id;
