/*
 * core/expression_group.c
 *	  The set form: expressions with sub-selects, a group of rows a statement.
 *
 * The author's text, which parsed alone as one expression and passed the rules
 * alone, stands between parentheses in
 *
 *		SELECT _jo_rows._jo_ord, (text) FROM _jo_rows
 *
 * _jo_rows is a tuplestore that is registered for the statement, as a
 * trigger's transition table is: one copy of a row in, no array of composites
 * to build and no function to grant.  The variables are its columns, so a
 * sub-select over them is an ordinary correlated one, and the planner may
 * use an index, hash it or remember results.  It is prepared once; PostgreSQL
 * replans when a table, function or type in it changes.
 *
 * The text ends in a newline because it may end in a comment.  Rows come out
 * in the order they went in: there is one scan and nothing above it.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/tuplestore.h"

#include "core/expression_private.h"

/* The text begins right after this; errors are placed relative to it. */
static const char prefix[] = "SELECT _jo_rows._jo_ord, (\n";
static const char jsonb_prefix[] = "SELECT _jo_rows._jo_ord, pg_catalog.to_jsonb((\n";

/* Takes the values out of the executor, row by row. */
typedef struct JoReceiver
{
	DestReceiver base;
	const JoExpression *expression;
	MemoryContext result_context;
	Datum	   *values;
	bool	   *isnull;
	volatile int *next;			/* the row that comes now */
} JoReceiver;

static const char *
prefix_of(const JoExpression *expression)
{
	return expression->wanted_type == JO_ANY_AS_JSONB ? jsonb_prefix : prefix;
}

/* Sees every analysis of the statement, the ones for replanning included. */
static void
set_up_parser(ParseState *pstate, void *argument)
{
	JoExpression *expression = (JoExpression *) argument;

	pstate->p_post_columnref_hook = jo_expression_variable;
	pstate->p_ref_hook_state = &expression->resolver;
}

static void
free_plan(void *argument)
{
	SPI_freeplan((SPIPlanPtr) argument);
}

/* Make "rows" (NULL while preparing) known to the SPI connection. */
static void
register_rows(const JoExpression *expression, Tuplestorestate *rows)
{
	EphemeralNamedRelation relation;

	relation = palloc0(sizeof(EphemeralNamedRelationData));
	relation->md.name = JO_ROWS_NAME;
	relation->md.tupdesc = expression->rows_descriptor;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = JO_EXPRESSION_CHUNK;
	relation->reldata = rows;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the rows of an expression");
}

/*
 * Prepare the statement.  In the sandbox, in expression->context, whose
 * deletion frees the plan.
 */
void
jo_expression_prepare_group(JoExpression *expression)
{
	SPIPrepareOptions options = {0};
	MemoryContextCallback *callback;
	StringInfoData text;
	SPIPlanPtr	plan;

	initStringInfo(&text);
	appendStringInfo(&text, "%s%s\n)", prefix_of(expression), expression->sql);
	if (expression->wanted_type == JO_ANY_AS_JSONB)
		appendStringInfoChar(&text, ')');
	else if (OidIsValid(expression->wanted_type))
		appendStringInfo(&text, "::%s",
						 format_type_extended(expression->wanted_type, -1,
											  FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
	appendStringInfoString(&text, " FROM " JO_ROWS_NAME);
	expression->statement = text.data;

	callback = palloc0(sizeof(MemoryContextCallback));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	register_rows(expression, NULL);
	options.parserSetup = set_up_parser;
	options.parserSetupArg = expression;
	options.cursorOptions = CURSOR_OPT_GENERIC_PLAN;
	plan = SPI_prepare_extended(expression->statement, &options);
	if (plan == NULL || !SPI_is_cursor_plan(plan))
		elog(ERROR, "could not prepare an expression: %s",
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");

	callback->func = free_plan;
	callback->arg = plan;
	MemoryContextRegisterResetCallback(expression->context, callback);
	expression->plan = plan;
	SPI_finish();
}

static void
receiver_start(DestReceiver *self, int operation, TupleDesc descriptor)
{
}

static bool
receiver_take(TupleTableSlot *slot, DestReceiver *self)
{
	JoReceiver *receiver = (JoReceiver *) self;
	MemoryContext old_context;
	int			row;

	slot_getallattrs(slot);
	row = DatumGetInt32(slot->tts_values[0]);
	if (row != *receiver->next)
		elog(ERROR, "rows of an expression came out of order");

	receiver->isnull[row] = slot->tts_isnull[1];
	if (!slot->tts_isnull[1])
	{
		old_context = MemoryContextSwitchTo(receiver->result_context);
		receiver->values[row] =
			jo_expression_copy(slot->tts_values[1],
							   receiver->expression->type_by_value,
							   receiver->expression->type_length);
		MemoryContextSwitchTo(old_context);
	}
	*receiver->next = row + 1;
	return true;
}

static void
receiver_end(DestReceiver *self)
{
}

/* The variables of rows[start .. end-1] that the expression uses. */
static Tuplestorestate *
store_rows(const JoExpression *expression, const JoVariables *const *rows,
		   int start, int end)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	Datum		values[JO_ROWS_COLUMNS];
	bool		isnull[JO_ROWS_COLUMNS];
	int			uses = expression->uses;

	for (int i = start; i < end; i++)
	{
		const JoVariables *row = rows[i];

		values[0] = Int32GetDatum(i);
		values[1] = row->customer;
		values[2] = row->event;
		values[3] = row->context;
		values[4] = row->journey;
		values[5] = row->message;
		isnull[0] = false;
		isnull[1] = !(uses & JO_USES_CUSTOMER) || row->customer_isnull;
		isnull[2] = !(uses & JO_USES_EVENT) || row->event_isnull;
		isnull[3] = !(uses & JO_USES_CONTEXT) || row->context_isnull;
		isnull[4] = !(uses & JO_USES_JOURNEY) || row->journey_isnull;
		isnull[5] = !(uses & JO_USES_MESSAGE) || row->message_isnull;
		tuplestore_putvalues(store, expression->rows_descriptor, values, isnull);
	}
	return store;
}

/*
 * Evaluate rows[*next .. end-1] in the sandbox.  *next moves on with every
 * value that is complete; when this raises it names the row to blame.
 */
void
jo_expression_execute_group(JoExpression *expression,
							const JoVariables *const *rows,
							volatile int *next, int end,
							MemoryContext result_context,
							Datum *values, bool *isnull)
{
	SPIExecuteOptions options = {0};
	JoReceiver	receiver = {0};
	Tuplestorestate *store;
	int			result;

	receiver.base.receiveSlot = receiver_take;
	receiver.base.rStartup = receiver_start;
	receiver.base.rShutdown = receiver_end;
	receiver.base.rDestroy = receiver_end;
	/* SPI takes DestNone for a wish to discard the result */
	receiver.base.mydest = DestTuplestore;
	receiver.expression = expression;
	receiver.result_context = result_context;
	receiver.values = values;
	receiver.isnull = isnull;
	receiver.next = next;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	store = store_rows(expression, rows, *next, end);
	register_rows(expression, store);
	options.read_only = !expression->scope.may_write;
	options.must_return_tuples = true;
	options.dest = &receiver.base;
	result = SPI_execute_plan_extended(expression->plan, &options);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not evaluate an expression: %s",
			 SPI_result_code_string(result));
	SPI_unregister_relation(JO_ROWS_NAME);
	tuplestore_end(store);
	SPI_finish();
}

/* Point an error of the statement into the author's text. */
void
jo_expression_place_group_error(const JoExpression *expression,
								ErrorData *edata)
{
	int			start = strlen(prefix_of(expression));

	if (edata->internalquery == NULL || expression->statement == NULL ||
		strcmp(edata->internalquery, expression->statement) != 0)
		return;
	edata->internalpos = Max(edata->internalpos - start, 0);
	edata->internalquery = expression->sql;
}
