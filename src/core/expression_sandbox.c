/*
 * core/expression_sandbox.c
 *	  The read-only subtransaction that authors' expressions run in, and the
 *	  errors that come out of it.
 *
 * The subtransaction is rolled back also after success: results are copied
 * out first, and whatever a function did that XactReadOnly does not stop
 * (NOTIFY, large objects on 15, temporary tables, settings) is undone.  It
 * never has an xid of its own, so the rollback writes nothing.
 *
 * Interrupts are not row errors: cancel (statement_timeout included), shutdown,
 * loss of the database and lack of memory pass through, because the row is not
 * to blame and a second try must be possible.  Deadlocks, serialization
 * failures and lock timeouts are row errors with their SQLSTATE.
 *
 * A SQLSTATE alone says nothing: an author's RAISE may name any.  Whoever takes
 * an imitation for an interrupt stops a lane for ever, or fails the statement
 * of a user who changed a row.  So where the error was raised decides, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "pgtime.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "core/expression_private.h"

static void
pin(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Give the settings that change what an expression means the same values in
 * every session: an author's publish, a worker and CALL run() must agree.
 * Between jo_run_as_owner() and jo_run_as_end(), which restores them.  Costs
 * a few comparisons where the session has these values already.
 */
void
jo_expression_pin_settings(void)
{
	if (strcmp(pg_get_timezone_name(session_timezone), "UTC") != 0 &&
		strcmp(pg_get_timezone_name(session_timezone), "Etc/UTC") != 0)
		pin("TimeZone", "UTC");
	if (DateStyle != USE_ISO_DATES || DateOrder != DATEORDER_MDY)
		pin("DateStyle", "ISO, MDY");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		pin("IntervalStyle", "postgres");
	if (extra_float_digits != 1)
		pin("extra_float_digits", "1");
	if (bytea_output != BYTEA_OUTPUT_HEX)
		pin("bytea_output", "hex");
	if (!standard_conforming_strings)
		pin("standard_conforming_strings", "on");
	if (Transform_null_equals)
		pin("transform_null_equals", "off");
	if (!row_security)
		pin("row_security", "on");
}

/* Start the subtransaction; everything that may raise comes in enter. */
void
jo_sandbox_begin(JoSandbox *sandbox)
{
	sandbox->context = CurrentMemoryContext;
	sandbox->owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(sandbox->context);
}

/*
 * Become "owner", read-only.  The caller's snapshot stays in force, moved on
 * to the transaction's latest command, so that a batch sees one state of the
 * database plus its own writes.
 */
void
jo_sandbox_enter(JoSandbox *sandbox, Oid owner)
{
	/* the end of the subtransaction restores it */
	XactReadOnly = true;

	if (ActiveSnapshotSet())
	{
		PushCopiedSnapshot(GetActiveSnapshot());
		UpdateActiveSnapshotCommandId();
	}
	else
		PushActiveSnapshot(GetTransactionSnapshot());

	jo_run_as_owner(&sandbox->run_as, owner);
	jo_expression_pin_settings();
}

static void
roll_back(JoSandbox *sandbox)
{
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(sandbox->context);
	CurrentResourceOwner = sandbox->owner;
}

void
jo_sandbox_leave(JoSandbox *sandbox)
{
	jo_run_as_end(&sandbox->run_as);
	PopActiveSnapshot();
	roll_back(sandbox);
}

/* In PG_CATCH: the error, in the context of begin; raises an interrupt again. */
ErrorData *
jo_sandbox_failed(JoSandbox *sandbox)
{
	ErrorData  *edata;
	bool		is_interrupt;

	MemoryContextSwitchTo(sandbox->context);
	edata = CopyErrorData();
	is_interrupt = jo_error_is_interrupt(edata);
	FlushErrorState();
	roll_back(sandbox);

	if (is_interrupt)
		ReThrowError(edata);
	return edata;
}

bool
jo_error_is_quoted(const ErrorData *edata)
{
	if (edata->message_id != NULL)
		return strcmp(edata->message_id, "%s") == 0;

	/* a parallel worker's error arrives without its format */
	return edata->funcname != NULL &&
		strcmp(edata->funcname, "exec_stmt_raise") == 0;
}

bool
jo_error_is_interrupt(const ErrorData *edata)
{
	/* "out of memory" of an allocator, "out of shared memory" of the locks */
	if (edata->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
		return !jo_error_is_quoted(edata);

	/* cancel and timeout, and a parallel worker's answer to SIGTERM */
	return ERRCODE_TO_CATEGORY(edata->sqlerrcode) ==
		ERRCODE_OPERATOR_INTERVENTION &&
		edata->funcname != NULL && edata->filename != NULL &&
		strcmp(edata->funcname, "ProcessInterrupts") == 0 &&
		strcmp(edata->filename, "postgres.c") == 0;
}

static char *
copy_string(const char *string)
{
	return string ? pstrdup(string) : NULL;
}

/*
 * "edata" as a JoError in CurrentMemoryContext.  Its position counts only when
 * it is one of "sql".
 */
JoError *
jo_error_copy(const ErrorData *edata, const char *sql)
{
	JoError    *error = palloc0(sizeof(JoError));

	strlcpy(error->sqlstate, unpack_sql_state(edata->sqlerrcode),
			sizeof(error->sqlstate));
	error->message = pstrdup(edata->message ? edata->message : "");
	error->detail = copy_string(edata->detail);
	error->hint = copy_string(edata->hint);
	if (edata->internalquery != NULL && sql != NULL &&
		strcmp(edata->internalquery, sql) == 0)
		error->position = edata->internalpos;
	return error;
}

JoError *
jo_error_capture(void)
{
	ErrorData  *edata = CopyErrorData();
	JoError    *error = jo_error_copy(edata, NULL);

	FlushErrorState();
	FreeErrorData(edata);
	return error;
}
