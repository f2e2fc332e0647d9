/*
 * permission/evidence.c
 *	  Builds the evidence of a decision, member by member.
 *
 * Instants are written in UTC, whatever the session's zone: evidence is read
 * years later by somebody else.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"

#include "core/clock.h"
#include "permission/evidence.h"

static void
push_key(JoEvidence *evidence, const char *name)
{
	JsonbValue	key;

	if (evidence->state == NULL)
		pushJsonbValue(&evidence->state, WJB_BEGIN_OBJECT, NULL);
	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(&evidence->state, WJB_KEY, &key);
}

static void
push_text(JoEvidence *evidence, JsonbIteratorToken token, const char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	pushJsonbValue(&evidence->state, token, &value);
}

void
jo_evidence_text(JoEvidence *evidence, const char *name, const char *value)
{
	if (value == NULL)
		return;
	push_key(evidence, name);
	push_text(evidence, WJB_VALUE, value);
}

void
jo_evidence_texts(JoEvidence *evidence, const char *name,
				  const char *const *values, int n)
{
	push_key(evidence, name);
	pushJsonbValue(&evidence->state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
		push_text(evidence, WJB_ELEM, values[i]);
	pushJsonbValue(&evidence->state, WJB_END_ARRAY, NULL);
}

void
jo_evidence_int(JoEvidence *evidence, const char *name, int64 number)
{
	JsonbValue	value;

	push_key(evidence, name);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	pushJsonbValue(&evidence->state, WJB_VALUE, &value);
}

void
jo_evidence_bool(JoEvidence *evidence, const char *name, bool boolean)
{
	JsonbValue	value;

	push_key(evidence, name);
	value.type = jbvBool;
	value.val.boolean = boolean;
	pushJsonbValue(&evidence->state, WJB_VALUE, &value);
}

void
jo_evidence_time(JoEvidence *evidence, const char *name, TimestampTz instant)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			zone = 0;
	char		string[MAXDATELEN + 1];

	if (instant == JO_NO_TIME ||
		timestamp2tm(instant, NULL, &tm, &fsec, NULL, NULL) != 0)
		return;
	tm.tm_isdst = 0;			/* else no zone is written */
	EncodeDateTime(&tm, fsec, true, zone, NULL, USE_XSD_DATES, string);
	jo_evidence_text(evidence, name, pstrdup(string));
}

Jsonb *
jo_evidence_end(JoEvidence *evidence)
{
	if (evidence->state == NULL)
		pushJsonbValue(&evidence->state, WJB_BEGIN_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&evidence->state, WJB_END_OBJECT,
											NULL));
}
