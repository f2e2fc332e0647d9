/*
 * sql/reference.sql
 *    The examples of docs/sql-reference.md, word for word (test/lint/readme.pl
 *    compares).
 */
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
