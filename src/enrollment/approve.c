/*
 * enrollment/approve.c
 *	  SQL functions approve() and approve_many(): a person decides.
 *
 * A decision is a command to the run that asks.  What is wrong with it is said
 * at once as far as it can be seen: that nobody is asked, that the run is
 * parked, that the decision does not exist, that the caller may not decide.
 * Between the call and the lane the run may still move on; then the command is
 * refused, and command_status() tells.
 *
 * Who may decide is asked of the current user; who did is the session user.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "core/lane.h"
#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/command.h"
#include "enrollment/json.h"

#define NOTE_BYTES 10000

/*
 * The newest question of a run, and how the run stands: a trial's own row wins.
 */
#define FIND_REQUEST \
	"SELECT q.customer_id, q.journey_id, q.version, q.visit, q.step" \
	" FROM journey_orch.approval_request AS q" \
	" WHERE q.enrollment_id = $1 ORDER BY q.visit DESC LIMIT 1"

#define FIND_RUN \
	"SELECT r.state, r.visit, r.is_ended, r.version FROM (" \
	"SELECT e.state, e.visit, e.generation, e.state = 'ended' AS is_ended, e.version" \
	" FROM journey_orch.enrollment AS e" \
	" WHERE e.lane = $3 AND e.customer_id = $2 AND e.enrollment_id = $1" \
	" UNION ALL" \
	" SELECT t.state, t.visit, t.generation, t.is_ended, t.version" \
	" FROM journey_orch.trial_enrollment AS t" \
	" WHERE t.customer_id = $2 AND t.enrollment_id = $1" \
	") AS r ORDER BY r.generation DESC LIMIT 1"

PG_FUNCTION_INFO_V1(journey_orch_approve);
PG_FUNCTION_INFO_V1(journey_orch_approve_many);

typedef struct Request
{
	pg_uuid_t	id;
	char	   *id_text;
	char	   *customer;
	int32		journey_id;
	int32		version;
	int32		visit;
	char	   *step_name;
	bool		is_waiting;
	bool		is_parked;
} Request;

/* Column "number" of the only row. */
static Datum
column(int number)
{
	bool		isnull;

	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number,
						 &isnull);
}

static char *
text_column(int number)
{
	char	   *value = TextDatumGetCString(column(number));
	char	   *copy = SPI_palloc(strlen(value) + 1);

	return strcpy(copy, value);
}

/* Read how the run of a request stands. */
static void
read_run(Request *request)
{
	Oid			types[] = {UUIDOID, TEXTOID, INT2OID};
	Datum		values[3];
	char	   *state;

	values[0] = UUIDPGetDatum(&request->id);
	values[1] = CStringGetTextDatum(request->customer);
	values[2] = Int16GetDatum(jo_lane_of(request->customer,
										 strlen(request->customer)));
	if (SPI_execute_with_args(FIND_RUN, 3, types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for a run");
	if (SPI_processed == 0 || DatumGetBool(column(3)))
		return;
	/* it may have been moved to another version since it asked */
	request->version = DatumGetInt32(column(4));
	state = TextDatumGetCString(column(1));
	request->is_parked = jo_streq(state, "parked");
	request->is_waiting = jo_streq(state, "waiting") &&
		DatumGetInt32(column(2)) == request->visit;
}

/* Fill "request" by its id; false when the run never asked anybody. */
static bool
find_request(Request *request)
{
	Oid			types[] = {UUIDOID};
	Datum		values[1];
	JoRunAs		saved;
	bool		found;

	values[0] = UUIDPGetDatum(&request->id);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(FIND_REQUEST, 1, types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for a request");
	found = SPI_processed > 0;
	if (found)
	{
		request->customer = text_column(1);
		request->journey_id = DatumGetInt32(column(2));
		request->version = DatumGetInt32(column(3));
		request->visit = DatumGetInt32(column(4));
		request->step_name = text_column(5);
		read_run(request);
	}
	SPI_finish();
	jo_run_as_end(&saved);
	return found;
}

/* Raise unless the run waits for a decision now. */
static void
ensure_waiting(Request *request)
{
	bool		found = find_request(request);

	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("enrollment \"%s\" asks nobody", request->id_text),
				 errhint("View journey_orch.approval lists the runs that wait for a decision.")));
	if (request->is_parked)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("enrollment \"%s\" is parked", request->id_text),
				 errhint("View journey_orch.parked_enrollment has the error that stopped it.")));
	if (!request->is_waiting)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("enrollment \"%s\" waits for no decision any more",
						request->id_text),
				 errhint("View journey_orch.approval lists the runs that do.")));
}

/* Raise unless the current user may decide. */
static void
ensure_may_decide(const Request *request, const char *role)
{
	Oid			roleid = get_role_oid(role, true);

	if (superuser() ||
		(OidIsValid(roleid) && has_privs_of_role(GetUserId(), roleid)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to decide about enrollment \"%s\"",
					request->id_text),
			 errdetail("Only members of role \"%s\" may.", role)));
}

static void
ensure_decision(const JoStep *step, const char *decision)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < step->u.approve.ndecisions; i++)
	{
		if (jo_streq(step->u.approve.decisions[i], decision))
			return;
		appendStringInfo(&known, "%s\"%s\"", i > 0 ? ", " : "",
						 step->u.approve.decisions[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("decision \"%.64s\" is not known", decision),
			 errhint("It is one of %s.", known.data)));
}

/* The step that asks, from the cache. */
static const JoStep *
get_step(const Request *request)
{
	JoGraph    *graph = jo_graph(request->journey_id, request->version);

	for (int i = 0; graph != NULL && i < graph->nsteps; i++)
		if (jo_streq(graph->steps[i].name, request->step_name) &&
			graph->steps[i].verb == JO_APPROVE)
			return &graph->steps[i];
	elog(ERROR, "version %d of journey %d has no step \"%s\" that asks",
		 request->version, request->journey_id, request->step_name);
}

/* The caller may take this decision on this request; raises.  Returns the role
 * by which he may. */
static char *
check_decision(const Request *request, const char *decision)
{
	char	   *volatile role = NULL;

	jo_journey_cache_begin();
	PG_TRY();
	{
		const JoStep *step = get_step(request);

		ensure_may_decide(request, step->u.approve.role);
		ensure_decision(step, decision);
		role = pstrdup(step->u.approve.role);
	}
	PG_FINALLY();
	{
		jo_journey_cache_end();
	}
	PG_END_TRY();
	return role;
}

/* Check everything and give the command; returns its id. */
static int64
decide(const pg_uuid_t *id, const char *decision, const char *note)
{
	Request		request = {.id = *id};
	Jsonb	   *payload;
	char	   *role;

	request.id_text = DatumGetCString(DirectFunctionCall1(uuid_out,
														  UUIDPGetDatum(id)));
	ensure_waiting(&request);
	role = check_decision(&request, decision);
	payload = jo_json_put_uuid(NULL, "enrollment_id", id);
	payload = jo_json_put_int(payload, "visit", request.visit);
	payload = jo_json_put_string(payload, "decision", decision);
	payload = jo_json_put_string(payload, "note", note);
	payload = jo_json_put_string(payload, "role", role);
	payload = jo_json_put_string(payload, "actor",
								 GetUserNameFromId(GetSessionUserId(), false));
	return jo_command_append(JO_COMMAND_APPROVE, request.customer, payload,
							 NULL, NULL);
}

static char *
note_argument(FunctionCallInfo fcinfo)
{
	char	   *note = PG_ARGISNULL(2) ? NULL :
	text_to_cstring(PG_GETARG_TEXT_PP(2));

	if (note != NULL && strlen(note) > NOTE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is longer than %d bytes", "note",
						NOTE_BYTES)));
	return note;
}

static void
ensure_given(FunctionCallInfo fcinfo, const char *name)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
}

/* approve(enrollment_id, decision, note) returns bigint */
Datum
journey_orch_approve(PG_FUNCTION_ARGS)
{
	char	   *decision;
	char	   *note;

	PreventCommandIfReadOnly("journey_orch.approve()");
	ensure_given(fcinfo, "enrollment_id");
	decision = jo_command_text(fcinfo, 1, "decision");
	note = note_argument(fcinfo);
	PG_RETURN_INT64(decide(PG_GETARG_UUID_P(0), decision, note));
}

/*
 * approve_many(enrollment_ids, decision, note): one row a run, in the order of
 * the array; the first that is refused refuses all.
 */
Datum
journey_orch_approve_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *decision;
	char	   *note;
	Datum	   *ids;
	bool	   *nulls;
	int			n;

	PreventCommandIfReadOnly("journey_orch.approve_many()");
	ensure_given(fcinfo, "enrollment_ids");
	decision = jo_command_text(fcinfo, 1, "decision");
	note = note_argument(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), UUIDOID, UUID_LEN, false,
					  TYPALIGN_CHAR, &ids, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[2];
		bool		isnull[2] = {false, false};

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain NULL",
							"enrollment_ids")));
		values[0] = ids[i];
		values[1] = Int64GetDatum(decide(DatumGetUUIDP(ids[i]), decision,
										 note));
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 isnull);
	}
	return (Datum) 0;
}
