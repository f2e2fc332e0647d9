/*
 * journey/schema.h
 *	  The grammar of definitions: schema.json, interpreted.
 */
#ifndef JO_SCHEMA_H
#define JO_SCHEMA_H

#include "journey/finding.h"
#include "utils/jsonb.h"

/* Add a finding for everything in "value" that the grammar refuses, and for
 * everything that it accepts and this release has not built. */
extern void jo_schema_check(JsonbValue *value, JoFindings *findings);

/* schema.json itself, palloc'd. */
extern Jsonb *jo_schema_json(void);

/* A jsonb Datum as a value, the scalar at the root included. */
extern void jo_json_root(Jsonb *jsonb, JsonbValue *value);

#endif							/* JO_SCHEMA_H */
