/*
 * outbox/task.c
 *	  complete_task(), assign_task(): what people do with tasks.
 *
 * A task is a message of a channel of kind task.  take_task() claims one, in the
 * way of every relay, and acknowledges it: from then on it is a row of table
 * task, assigned to somebody, until it is completed with one of the channel's
 * dispositions.  That becomes a report, whose event the run can wait for.
 *
 * The row's own lock decides between two who complete or assign one task.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/run_as.h"
#include "outbox/reporting.h"

PG_FUNCTION_INFO_V1(journey_orch__ensure_task_channel);
PG_FUNCTION_INFO_V1(journey_orch_complete_task);
PG_FUNCTION_INFO_V1(journey_orch_assign_task);

#define MAX_ASSIGNEE_BYTES 200

#define LOCK_TASK \
	"SELECT t.completed_at IS NOT NULL, $2 = ANY (c.dispositions)," \
	" pg_catalog.array_to_string(c.dispositions, ', '), t.channel" \
	" FROM journey_orch.task AS t LEFT JOIN journey_orch.channel AS c USING (channel)" \
	" WHERE t.message_id = $1 FOR UPDATE OF t"
#define COMPLETE_TASK \
	"UPDATE journey_orch.task SET completed_at = journey_orch.clock()," \
	" disposition = $2, note = $3 WHERE message_id = $1" \
	" RETURNING pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(" \
	" 'disposition', disposition, 'note', note, 'assignee', assignee))"
#define ASSIGN_TASK \
	"UPDATE journey_orch.task SET assignee = $2 WHERE message_id = $1"

static void
ensure_assignee(const char *function, FunctionCallInfo fcinfo, int argument)
{
	Size		bytes;

	if (PG_ARGISNULL(argument))
		jo_relay_null(function, "assignee");
	bytes = VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(argument));
	if (bytes == 0 || bytes > MAX_ASSIGNEE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("assignee must have 1 to %d bytes",
						MAX_ASSIGNEE_BYTES)));
}

/* _ensure_task_channel(channel, assignee): raise unless take_task() may go on */
Datum
journey_orch__ensure_task_channel(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		jo_relay_null("take_task", "channel");
	ensure_assignee("take_task", fcinfo, 1);
	jo_channel_ensure_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)), "task");
	PG_RETURN_VOID();
}

/* Run a statement over message, word and note as the extension. */
static void
execute(const char *statement, int nargs, Datum *values, const char *nulls)
{
	Oid			types[] = {UUIDOID, TEXTOID, TEXTOID};
	JoRunAs		saved;

	jo_run_as_extension(&saved);
	if (SPI_execute_with_args(statement, nargs, types, values, nulls, false,
							  0) < 0)
		elog(ERROR, "could not write table \"task\"");
	jo_run_as_end(&saved);
}

/*
 * Lock the task; true while it is open.  *is_declared: is the word one of its
 * channel's dispositions?  Else "list" has them.
 */
static bool
lock_task(Datum *values, bool *is_declared, char **list)
{
	bool		isnull;
	bool		is_completed;

	execute(LOCK_TASK, 2, values, NULL);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("task \"%s\" does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out,
															values[0]))),
				 errhint("Give the message_id that journey_orch.take_task() gave.")));
	is_completed = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
											  SPI_tuptable->tupdesc, 1,
											  &isnull));
	*is_declared = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
											  SPI_tuptable->tupdesc, 2,
											  &isnull)) && !isnull;
	*list = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3);
	return !is_completed;
}

/* complete_task(message_id, disposition, note) → ok, already */
Datum
journey_orch_complete_task(PG_FUNCTION_ARGS)
{
	Datum		values[3];
	char		nulls[4] = "   ";
	JoReport	report = {{{0}}};
	bool		is_declared;
	bool		is_open;
	bool		isnull;
	char	   *list;

	jo_report_begin("journey_orch.complete_task()");
	if (PG_ARGISNULL(0))
		jo_relay_null("complete_task", "message_id");
	if (PG_ARGISNULL(1))
		jo_relay_null("complete_task", "disposition");
	for (int i = 0; i < lengthof(values); i++)
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
	nulls[2] = PG_ARGISNULL(2) ? 'n' : ' ';
	SPI_connect();
	is_open = lock_task(values, &is_declared, &list);
	if (is_open && !is_declared)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("disposition \"%s\" is not declared",
						jo_clipped(TextDatumGetCString(values[1]))),
				 errhint("The channel has %s.", list == NULL ? "none" : list)));
	if (is_open)
	{
		execute(COMPLETE_TASK, 3, values, nulls);
		report.detail = DatumGetJsonbP(SPI_getbinval(SPI_tuptable->vals[0],
													 SPI_tuptable->tupdesc, 1,
													 &isnull));
		report.message_id = *DatumGetUUIDP(values[0]);
		report.status = "disposition";
		jo_lock(JO_LOCK_REPORT, jo_report_message_lock(&report.message_id));
		(void) jo_report_record(&report, true, false);
	}
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(is_open ? "ok" : "already"));
}

/* assign_task(message_id, assignee) → ok, already */
Datum
journey_orch_assign_task(PG_FUNCTION_ARGS)
{
	Datum		values[2];
	bool		is_declared;
	bool		is_open;
	char	   *list;

	jo_report_begin("journey_orch.assign_task()");
	if (PG_ARGISNULL(0))
		jo_relay_null("assign_task", "message_id");
	ensure_assignee("assign_task", fcinfo, 1);
	for (int i = 0; i < lengthof(values); i++)
		values[i] = PG_GETARG_DATUM(i);
	SPI_connect();
	is_open = lock_task(values, &is_declared, &list);
	if (is_open)
		execute(ASSIGN_TASK, 2, values, NULL);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(is_open ? "ok" : "already"));
}
