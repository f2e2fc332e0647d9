/*
 * journey/define.c
 *	  The authors' functions: check_definition, define, definition,
 *	  definition_schema.
 *
 * A definition that is stored is a version and never changes; the hash of its
 * canonical form (jsonb's own text) tells whether it is stored already.
 * Publishing is publish.c, pictures are picture.c.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "journey/author.h"
#include "journey/reader.h"
#include "journey/schema.h"
#include "journey/store.h"

/* Findings that an error lists; check_definition() shows all. */
#define MAX_LISTED 50

PG_FUNCTION_INFO_V1(journey_orch_check_definition);
PG_FUNCTION_INFO_V1(journey_orch_define);
PG_FUNCTION_INFO_V1(journey_orch_definition);
PG_FUNCTION_INFO_V1(journey_orch_definition_schema);
PG_FUNCTION_INFO_V1(journey_orch__finding_codes);

void
jo_ensure_not_null(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

int32
jo_version_argument(FunctionCallInfo fcinfo, int number)
{
	int32		version;

	if (PG_ARGISNULL(number))
		return 0;
	version = PG_GETARG_INT32(number);
	if (version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version %d is out of range", version),
				 errhint("Versions begin with 1; NULL is the newest.")));
	return version;
}

/* Name of the journey that a definition is of, or NULL. */
static char *
journey_name(Jsonb *definition)
{
	JsonbValue	root;

	jo_json_root(definition, &root);
	return jo_read_string(&root, "journey");
}

/*
 * Whose rights the expressions of a definition are checked with: the owner's
 * of a journey that exists, but never more than the caller has.
 */
static Oid
checking_role(Jsonb *definition)
{
	char	   *name = journey_name(definition);
	JoStoredJourney journey;

	if (name != NULL && jo_find_journey(name, &journey) &&
		has_privs_of_role(GetUserId(), journey.owner))
		return journey.owner;
	return GetUserId();
}

Datum
journey_orch_check_definition(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Jsonb	   *definition;
	JoReading  *reading;
	ListCell   *cell;

	jo_ensure_not_null(fcinfo, 0, "definition");
	definition = PG_GETARG_JSONB_P(0);
	InitMaterializedSRF(fcinfo, 0);
	reading = jo_definition_read(definition, checking_role(definition), true);
	foreach(cell, reading->findings.list)
	{
		JoFinding  *finding = lfirst(cell);
		const JoFindingKind *kind = jo_finding_kind(finding->code);
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = CStringGetTextDatum(jo_severity_name(kind->severity));
		values[1] = CStringGetTextDatum(kind->name);
		values[2] = CStringGetTextDatum(finding->path);
		values[3] = CStringGetTextDatum(finding->message);
		values[4] = CStringGetTextDatum(finding->hint);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The codes that check_definition() can return, for tests and documentation. */
Datum
journey_orch__finding_codes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int code = 0; code < JO_FINDING_CODES; code++)
	{
		const JoFindingKind *kind = jo_finding_kind(code);
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = CStringGetTextDatum(kind->name);
		values[1] = CStringGetTextDatum(jo_severity_name(kind->severity));
		values[2] = CStringGetTextDatum(kind->meaning);
		values[3] = CStringGetTextDatum(kind->hint);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The findings of one severity, a line each. */
static char *
list_findings(const JoFindings *findings, JoSeverity severity)
{
	StringInfoData out;
	ListCell   *cell;
	int			n = 0;

	initStringInfo(&out);
	foreach(cell, findings->list)
	{
		JoFinding  *finding = lfirst(cell);
		const JoFindingKind *kind = jo_finding_kind(finding->code);

		if (kind->severity != severity)
			continue;
		if (++n > MAX_LISTED)
			continue;
		appendStringInfo(&out, "%s%s: %s: %s. %s", n > 1 ? "\n" : "",
						 kind->name,
						 finding->path[0] ? finding->path : "/",
						 finding->message, finding->hint);
	}
	if (n > MAX_LISTED)
		appendStringInfo(&out, "\nThere are %d more.", n - MAX_LISTED);
	return out.data;
}

/*
 * "definition of journey "x"", or without the name where it has none.  A bad
 * name may be of any length.
 */
static const char *
subject(const char *name)
{
	int			length;

	if (name == NULL)
		return "definition";
	length = pg_mbcliplen(name, strlen(name), NAMEDATALEN);
	return psprintf("definition of journey \"%.*s%s\"", length, name,
					name[length] != '\0' ? "…" : "");
}

void
jo_ensure_valid(const char *name, const JoReading *reading)
{
	const JoFindings *findings = &reading->findings;

	if (findings->errors > 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_DEFINITION),
				 errmsg_plural("%s has %d error", "%s has %d errors",
							   findings->errors + findings->not_built,
							   subject(name), findings->errors + findings->not_built),
				 errdetail_internal("%s", list_findings(findings, JO_ERROR)),
				 errhint("journey_orch.check_definition() shows all findings as rows.")));
	if (findings->not_built > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s uses what this release has not built", subject(name)),
				 errdetail_internal("%s", list_findings(findings, JO_ERROR)),
				 errhint("definition_schema() marks what is not built with \"x-not-built\".")));
}

static void
tell_warnings(const char *name, const JoReading *reading)
{
	char	   *warnings = list_findings(&reading->findings, JO_WARNING);

	if (warnings[0] != '\0')
		ereport(NOTICE,
				(errmsg("definition of journey \"%s\" has warnings", name),
				 errdetail_internal("%s", warnings)));
}

/* SHA-256 of the canonical form, as bytea. */
static Datum
canonical_hash(Jsonb *definition)
{
	StringInfoData text;
	bytea	   *bytes;

	initStringInfo(&text);
	(void) JsonbToCString(&text, &definition->root, VARSIZE(definition));
	bytes = cstring_to_text_with_len(text.data, text.len);
	return DirectFunctionCall1(sha256_bytea, PointerGetDatum(bytes));
}

Datum
journey_orch_define(PG_FUNCTION_ARGS)
{
	Jsonb	   *definition;
	char	   *name;
	JoStoredJourney journey = {0};
	bool		exists = false;
	Datum		hash;
	int32		version;
	JoReading  *reading;

	jo_ensure_not_null(fcinfo, 0, "definition");
	definition = PG_GETARG_JSONB_P(0);
	name = journey_name(definition);
	if (name != NULL)
	{
		jo_lock(JO_LOCK_NAME, jo_lock_key(name));
		exists = jo_find_journey(name, &journey);
		if (exists)
			jo_ensure_journey_owner(name, &journey);
	}

	hash = canonical_hash(definition);
	version = exists ? jo_find_version(&journey, hash) : 0;
	if (version > 0)
	{
		ereport(NOTICE,
				(errmsg("journey \"%s\" has this definition already, as version %d",
						name, version)));
		PG_RETURN_INT32(version);
	}

	reading = jo_definition_read(definition,
								 exists ? journey.owner : GetUserId(), true);
	jo_ensure_valid(name, reading);
	tell_warnings(name, reading);

	jo_leaf_ensure();
	if (!exists)
		jo_insert_journey(name, GetUserId(), &journey);
	version = jo_insert_version(&journey, definition, hash);
	jo_insert_steps(&journey, version, reading->graph);
	PG_RETURN_INT32(version);
}

Jsonb *
jo_definition_argument(FunctionCallInfo fcinfo, JoStoredJourney *journey,
					   int32 *version)
{
	char	   *name;

	jo_ensure_not_null(fcinfo, 0, "journey");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	*version = jo_version_argument(fcinfo, 1);
	jo_get_journey(name, journey);
	if (*version == 0)
		*version = jo_find_published(journey);
	return jo_get_definition(name, journey, version);
}

Datum
journey_orch_definition(PG_FUNCTION_ARGS)
{
	JoStoredJourney journey;
	int32		version;

	PG_RETURN_JSONB_P(jo_definition_argument(fcinfo, &journey, &version));
}

Datum
journey_orch_definition_schema(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(jo_schema_json());
}
