/* journey_orch: built from src/ (state.sql and code.sql of every room, in
   ROOMS order); do not edit. */
\echo Use "CREATE EXTENSION journey_orch" to load this file. \quit

/* Everything of ours is written qualified; nothing else may resolve. */
SET LOCAL search_path = pg_catalog, pg_temp;

/* A member of the extension, so that DROP EXTENSION takes it along.  A schema
   of this name that exists is refused: its owner could put functions beside
   ours. */
CREATE SCHEMA journey_orch;
