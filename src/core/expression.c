/*
 * core/expression.c
 *	  Engine expressions: compile once, evaluate for groups of rows.
 *
 * A compiled expression is one memory context.  Nothing in it belongs to a
 * transaction, so it may be kept in a cache; the reset of the cache's context
 * frees it, the prepared plan included.
 *
 * The tree is over the columns of one hidden row (expression_scope.c).  The
 * plain form evaluates it on a virtual slot; a statement is needed only when
 * there is a sub-select (expression_group.c).  Either way rows are taken in
 * order, so when one raises the rows before it are done and it alone is to
 * blame: the group goes on after it in a new sandbox, and n rows with k bad
 * ones cost k + 1 subtransactions, not n.
 *
 * This file never looks at where values come from or what they decide.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "core/cache.h"
#include "core/errors.h"
#include "core/expression_private.h"

/*
 * Another number whenever the columns of a composite type changed; 0 when there
 * is no such type.  (It changes more often: any invalidation of its table.)
 */
static uint64
shape_of(Oid composite_type)
{
	if (!OidIsValid(composite_type) ||
		!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(composite_type)))
		return 0;
	return lookup_type_cache(composite_type,
							 TYPECACHE_TUPDESC)->tupDesc_identifier;
}

/* An ExprContext that lives in "context" and belongs to no query. */
ExprContext *
jo_expression_context(MemoryContext context)
{
	ExprContext *econtext = makeNode(ExprContext);

	econtext->ecxt_per_query_memory = context;
	econtext->ecxt_per_tuple_memory = context;
	econtext->caseValue_isNull = true;
	econtext->domainValue_isNull = true;
	return econtext;
}

/*
 * A value that outlives its row: flat, and never a pointer into a table's
 * TOAST, which the sandbox's snapshot no longer protects.
 */
Datum
jo_expression_copy(Datum value, bool by_value, int16 length)
{
	if (length == -1 &&
		VARATT_IS_EXTENDED(DatumGetPointer(value)) &&
		!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
		return PointerGetDatum(detoast_attr((struct varlena *)
											DatumGetPointer(value)));
	return datumCopy(value, by_value, length);
}

/* The sandbox's half of compile: fill "expression", in its context. */
static void
build(JoExpression *expression)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "journey_orch analysis",
												  ALLOCSET_DEFAULT_SIZES);
	ParseState *pstate;
	Node	   *tree;

	expression->customer_shape = shape_of(expression->scope.customer_type);
	if (OidIsValid(expression->scope.customer_type) &&
		expression->customer_shape == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the table of customers does not exist any more")));
	expression->rows_descriptor =
		jo_expression_rows_descriptor(&expression->scope);

	MemoryContextSwitchTo(scratch);
	pstate = make_parsestate(NULL);
	pstate->p_sourcetext = expression->sql;
	expression->resolver.scope = expression->scope;
	jo_expression_resolve(pstate, &expression->resolver,
						  expression->rows_descriptor);
	tree = jo_expression_analyse(pstate, expression->wanted_type, false);
	jo_cache_depend(tree);

	expression->uses = expression->resolver.uses;
	expression->message_fields = expression->resolver.message_fields;
	expression->resolver.rows = NULL;
	expression->type = exprType(tree);
	get_typlenbyval(expression->type, &expression->type_length,
					&expression->type_by_value);
	expression->is_plain = !pstate->p_hasSubLinks;

	MemoryContextSwitchTo(expression->context);
	expression->context_keys = jo_expression_find_keys(tree);
	MemoryContextSwitchTo(scratch);

	if (expression->is_plain)
	{
		tree = (Node *) expression_planner((Expr *) tree);
		expression->needs_sandbox = jo_expression_can_raise(tree) ||
			contain_mutable_functions(tree);

		MemoryContextSwitchTo(expression->context);
		expression->state = ExecInitExpr((Expr *) copyObject(tree), NULL);
		expression->econtext = jo_expression_context(expression->context);
		expression->slot =
			MakeSingleTupleTableSlot(expression->rows_descriptor,
									 &TTSOpsVirtual);
	}
	else
	{
		MemoryContextSwitchTo(expression->context);
		jo_expression_prepare_group(expression);
	}
	free_parsestate(pstate);
	MemoryContextSwitchTo(expression->context);
	MemoryContextDelete(scratch);
}

/*
 * (Re)compile.  Returns NULL, or the error in CurrentMemoryContext with the
 * expression left without a compiled form.
 */
static ErrorData *
compile(JoExpression *expression)
{
	JoSandbox	sandbox;
	ErrorData  *volatile edata = NULL;

	if (expression->context != NULL)
		MemoryContextDelete(expression->context);
	expression->context = NULL;
	expression->plan = NULL;
	expression->state = NULL;
	expression->statement = NULL;
	memset(&expression->resolver, 0, sizeof(JoResolver));
	expression->context = AllocSetContextCreate(expression->parent,
												"journey_orch expression",
												ALLOCSET_SMALL_SIZES);
	MemoryContextCopyAndSetIdentifier(expression->context, expression->sql);

	jo_sandbox_begin(&sandbox);
	PG_TRY();
	{
		jo_sandbox_enter(&sandbox, expression->owner);
		MemoryContextSwitchTo(expression->context);
		build(expression);
		jo_sandbox_leave(&sandbox);
	}
	PG_CATCH();
	{
		edata = jo_sandbox_failed(&sandbox);
	}
	PG_END_TRY();

	if (edata != NULL)
	{
		jo_cache_depend(NULL);
		jo_expression_place_group_error(expression, edata);
		MemoryContextDelete(expression->context);
		expression->context = NULL;
	}
	return edata;
}

JoExpression *
jo_expression_compile(const char *sql, Oid result_type, Oid owner,
					  const JoScope *scope, JoError **error)
{
	JoExpression *expression = palloc0(sizeof(JoExpression));
	ErrorData  *edata;

	expression->sql = pstrdup(sql);
	expression->wanted_type = result_type;
	expression->owner = owner;
	expression->scope = *scope;
	expression->parent = CurrentMemoryContext;

	if (error != NULL)
		*error = NULL;
	edata = compile(expression);
	if (edata == NULL)
		return expression;
	if (error == NULL)
		ReThrowError(edata);
	*error = jo_error_copy(edata, sql);
	return NULL;
}

int
jo_expression_uses(const JoExpression *expression)
{
	return expression->uses;
}

Oid
jo_expression_type(const JoExpression *expression)
{
	return expression->type;
}

bool
jo_expression_is_plain(const JoExpression *expression)
{
	return expression->is_plain;
}

const char *
jo_expression_sql(const JoExpression *expression)
{
	return expression->sql;
}

uint32
jo_expression_message_fields(const JoExpression *expression)
{
	return expression->message_fields;
}

List *
jo_expression_context_keys(const JoExpression *expression)
{
	return expression->context_keys;
}

/*
 * The plain form of rows[*next .. end-1]; see jo_expression_execute_group().
 * Each row's rubbish lives in "row_context".
 */
static void
execute_plain(JoExpression *expression, const JoVariables *const *rows,
			  volatile int *next, int end,
			  MemoryContext result_context, MemoryContext row_context,
			  Datum *values, bool *isnull)
{
	ExprContext *econtext = expression->econtext;
	TupleTableSlot *slot = expression->slot;

	econtext->ecxt_scantuple = slot;
	econtext->ecxt_per_tuple_memory = row_context;

	for (; *next < end; (*next)++)
	{
		int			i = *next;
		const JoVariables *row = rows[i];
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		ExecClearTuple(slot);
		slot->tts_values[0] = Int32GetDatum(i);
		slot->tts_values[1] = row->customer;
		slot->tts_values[2] = row->event;
		slot->tts_values[3] = row->context;
		slot->tts_values[4] = row->journey;
		slot->tts_values[5] = row->message;
		slot->tts_isnull[0] = false;
		slot->tts_isnull[1] = row->customer_isnull;
		slot->tts_isnull[2] = row->event_isnull;
		slot->tts_isnull[3] = row->context_isnull;
		slot->tts_isnull[4] = row->journey_isnull;
		slot->tts_isnull[5] = row->message_isnull;
		ExecStoreVirtualTuple(slot);

		MemoryContextSwitchTo(row_context);
		value = ExecEvalExpr(expression->state, econtext, &isnull[i]);
		MemoryContextSwitchTo(result_context);
		if (!isnull[i])
			values[i] = jo_expression_copy(value, expression->type_by_value,
										   expression->type_length);
		MemoryContextReset(row_context);
	}
}

/*
 * Evaluate rows[0 .. n-1], each failing row costing one more sandbox.  After a
 * failure the set form goes on with few rows a statement and doubles them, so
 * that a group of bad rows is not copied in again for each of them.
 */
static void
execute_sandboxed(JoExpression *expression, int n,
				  const JoVariables *const *rows, MemoryContext row_context,
				  Datum *values, bool *isnull, JoError **errors)
{
	MemoryContext result_context = CurrentMemoryContext;
	volatile int next = 0;
	volatile int end = n;
	volatile int chunk = JO_EXPRESSION_CHUNK;

	while (next < n)
	{
		JoSandbox	sandbox;

		jo_sandbox_begin(&sandbox);
		PG_TRY();
		{
			jo_sandbox_enter(&sandbox, expression->owner);
			if (expression->is_plain)
				execute_plain(expression, rows, &next, n, result_context,
							  row_context, values, isnull);
			while (next < n)
			{
				end = Min(n, next + chunk);
				jo_expression_execute_group(expression, rows, &next, end,
											result_context, values, isnull);
				chunk = Min(chunk * 2, JO_EXPRESSION_CHUNK);
			}
			jo_sandbox_leave(&sandbox);
		}
		PG_CATCH();
		{
			ErrorData  *edata = jo_sandbox_failed(&sandbox);

			/* every row had its value: no row is to blame */
			if (next >= end)
				ReThrowError(edata);

			jo_expression_place_group_error(expression, edata);
			errors[next] = jo_error_copy(edata, expression->sql);
			isnull[next] = true;
			next++;
			chunk = 1;
			MemoryContextReset(row_context);
		}
		PG_END_TRY();
	}
}

/*
 * The columns of the customer may have changed in the middle of a batch, when
 * the cache that holds the expression cannot be rebuilt.  Reading the new
 * rows with the old plan could take a dropped column for NULL.
 */
static ErrorData *
ensure_current(JoExpression *expression)
{
	if (expression->context != NULL &&
		(!(expression->uses & JO_USES_CUSTOMER) ||
		 shape_of(expression->scope.customer_type) == expression->customer_shape))
		return NULL;
	return compile(expression);
}

/* Rows *next .. end-1 in either form; the caller has made the sandbox. */
void
jo_expression_execute(JoExpression *expression,
					  const JoVariables *const *rows,
					  volatile int *next, int end,
					  MemoryContext result_context, MemoryContext row_context,
					  Datum *values, bool *isnull)
{
	if (expression->is_plain)
		execute_plain(expression, rows, next, end, result_context,
					  row_context, values, isnull);
	else
		jo_expression_execute_group(expression, rows, next, end,
									result_context, values, isnull);
}

/*
 * True when the expression no longer compiles: then every row has that error.
 */
bool
jo_expression_refuse(JoExpression *expression, int n, bool *isnull,
					 JoError **errors)
{
	ErrorData  *edata = ensure_current(expression);

	if (edata == NULL)
		return false;
	for (int i = 0; i < n; i++)
	{
		errors[i] = jo_error_copy(edata, expression->sql);
		isnull[i] = true;
	}
	return true;
}

void
jo_expression_evaluate(JoExpression *expression, int n,
					   const JoVariables *const *rows,
					   Datum *values, bool *isnull, JoError **errors)
{
	MemoryContext row_context;

	memset(errors, 0, n * sizeof(JoError *));
	if (jo_expression_refuse(expression, n, isnull, errors))
		return;

	row_context = AllocSetContextCreate(CurrentMemoryContext,
										"journey_orch expression row",
										ALLOCSET_SMALL_SIZES);
	if (expression->needs_sandbox || !expression->is_plain)
		execute_sandboxed(expression, n, rows, row_context,
						  values, isnull, errors);
	else
	{
		volatile int next = 0;
		MemoryContext result_context = CurrentMemoryContext;

		execute_plain(expression, rows, &next, n, result_context, row_context,
					  values, isnull);
	}
	MemoryContextDelete(row_context);
}
