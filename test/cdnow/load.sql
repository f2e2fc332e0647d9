/*
 * test/cdnow/load.sql
 *    Reads the CDNOW purchases (psql -v file=PATH) into cdnow.purchase.
 *
 * The file has fixed columns: master id, sample id, day as yyyymmdd, number of
 * CDs, dollars.  It is read line by line, so that "line" is the order of the
 * file: two purchases of one customer on one day stay in that order.
 */
CREATE SCHEMA cdnow;

CREATE TABLE cdnow.line
(
  line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  text text NOT NULL
);
\set copy '\\copy cdnow.line (text) FROM ' :'file' ' WITH (FORMAT text, DELIMITER E''\\x01'')'
:copy

CREATE TABLE cdnow.purchase
(
  line     bigint PRIMARY KEY,
  customer text NOT NULL,                    -- sample id
  day      date NOT NULL,
  cds      integer NOT NULL,
  amount   numeric NOT NULL
);

INSERT INTO cdnow.purchase (line, customer, day, cds, amount)
SELECT line, field[2], to_date(field[3], 'YYYYMMDD'), field[4]::integer, field[5]::numeric
  FROM (SELECT line, regexp_split_to_array(btrim(text, E' \r'), ' +') AS field FROM cdnow.line) AS fields
 ORDER BY line;
