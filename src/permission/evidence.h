/*
 * permission/evidence.h
 *	  What a gate saw, as a JSON object.
 */
#ifndef JO_PERMISSION_EVIDENCE_H
#define JO_PERMISSION_EVIDENCE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* All zero: begun with the first member. */
typedef struct JoEvidence
{
	JsonbParseState *state;
} JoEvidence;

/* Add a member; of a NULL string or JO_NO_TIME none is added. */
extern void jo_evidence_text(JoEvidence *evidence, const char *name,
							 const char *value);
extern void jo_evidence_texts(JoEvidence *evidence, const char *name,
							  const char *const *values, int n);
extern void jo_evidence_int(JoEvidence *evidence, const char *name,
							int64 value);
extern void jo_evidence_bool(JoEvidence *evidence, const char *name,
							 bool value);
extern void jo_evidence_time(JoEvidence *evidence, const char *name,
							 TimestampTz value);

/* The object, in CurrentMemoryContext. */
extern Jsonb *jo_evidence_end(JoEvidence *evidence);

#endif							/* JO_PERMISSION_EVIDENCE_H */
