/*
 * core/expression_row.c
 *	  Expressions over NEW and OLD of one relation, for capture.
 *
 * As the WHEN of CREATE TRIGGER: OLD and NEW are the two inputs of a join that
 * never takes place, and the expression is evaluated on their slots.  No SPI,
 * no statement, no copy: this runs inside every INSERT of somebody's table.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteManip.h"
#include "utils/memutils.h"

#include "core/cache.h"
#include "core/expression_private.h"

/* Range-table positions while analysing; names are as in CREATE TRIGGER. */
#define OLD_VARNO 1
#define NEW_VARNO 2

struct JoRowExpression
{
	MemoryContext context;
	ExprState  *state;
	ExprContext *econtext;
	TupleTableSlot *nothing;	/* a row of NULLs, for the side not there */
	Oid			type;
	int			uses;			/* JO_USES_OLD, JO_USES_NEW */
	bool		can_raise;
	bool		needs_settings;
};

/* A bare column name: say that it needs NEW or OLD in front. */
static Node *
suggest_side(ParseState *pstate, ColumnRef *reference, Node *found)
{
	Relation	relation = (Relation) pstate->p_ref_hook_state;
	const char *name = strVal(linitial(reference->fields));

	if (found == NULL && list_length(reference->fields) == 1 &&
		attnameAttNum(relation, name, false) != InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" does not exist", name),
				 errhint("Perhaps you meant \"NEW.%s\" or \"OLD.%s\".",
						 name, name),
				 parser_errposition(pstate, reference->location)));
	return NULL;
}

/*
 * OLD and NEW as tables of "pstate": their names are visible, bare column
 * names are not.
 */
static void
add_sides(ParseState *pstate, Relation relation)
{
	static const char *const names[] = {"old", "new"};

	for (int i = 0; i < lengthof(names); i++)
	{
		ParseNamespaceItem *side;

		side = addRangeTableEntryForRelation(pstate, relation, AccessShareLock,
											 makeAlias(names[i], NIL),
											 false, false);
		addNSItemToQuery(pstate, side, false, true, false);
	}
	pstate->p_post_columnref_hook = suggest_side;
	pstate->p_ref_hook_state = relation;
}

static bool
find_uses(Node *node, void *argument)
{
	int		   *uses = (int *) argument;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		*uses |= ((Var *) node)->varno == OLD_VARNO ? JO_USES_OLD : JO_USES_NEW;
		return false;
	}
	return expression_tree_walker(node, find_uses, argument);
}

/* The sandbox's half of compile. */
static void
build(JoRowExpression *expression, const char *sql, Relation relation,
	  Oid result_type)
{
	ParseState *pstate = make_parsestate(NULL);
	Node	   *tree;

	pstate->p_sourcetext = sql;
	add_sides(pstate, relation);
	tree = jo_expression_analyse(pstate, result_type, true);
	jo_cache_depend(tree);
	expression->type = exprType(tree);
	(void) find_uses(tree, &expression->uses);

	ChangeVarNodes(tree, OLD_VARNO, INNER_VAR, 0);
	ChangeVarNodes(tree, NEW_VARNO, OUTER_VAR, 0);
	tree = (Node *) expression_planner((Expr *) tree);
	expression->can_raise = jo_expression_can_raise(tree);
	expression->needs_settings = contain_mutable_functions(tree);

	MemoryContextSwitchTo(expression->context);
	expression->state = ExecInitExpr((Expr *) copyObject(tree), NULL);
	expression->econtext = jo_expression_context(expression->context);
	expression->nothing =
		MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(relation)),
								 &TTSOpsVirtual);
	ExecStoreAllNullTuple(expression->nothing);
	free_parsestate(pstate);
}

JoRowExpression *
jo_row_expression_compile(const char *sql, Relation relation, Oid result_type,
						  Oid owner, JoError **error)
{
	JoRowExpression *expression = palloc0(sizeof(JoRowExpression));
	MemoryContext scratch;
	JoSandbox	sandbox;
	ErrorData  *volatile edata = NULL;

	expression->context = AllocSetContextCreate(CurrentMemoryContext,
												"journey_orch row expression",
												ALLOCSET_SMALL_SIZES);
	MemoryContextCopyAndSetIdentifier(expression->context, sql);
	scratch = AllocSetContextCreate(CurrentMemoryContext,
									"journey_orch analysis",
									ALLOCSET_DEFAULT_SIZES);
	if (error != NULL)
		*error = NULL;

	jo_sandbox_begin(&sandbox);
	PG_TRY();
	{
		jo_sandbox_enter(&sandbox, owner);
		MemoryContextSwitchTo(scratch);
		build(expression, sql, relation, result_type);
		jo_sandbox_leave(&sandbox);
	}
	PG_CATCH();
	{
		edata = jo_sandbox_failed(&sandbox);
	}
	PG_END_TRY();

	MemoryContextDelete(scratch);
	if (edata == NULL)
		return expression;

	jo_cache_depend(NULL);
	MemoryContextDelete(expression->context);
	if (error == NULL)
		ReThrowError(edata);
	*error = jo_error_copy(edata, sql);
	return NULL;
}

int
jo_row_expression_uses(const JoRowExpression *expression)
{
	return expression->uses;
}

Oid
jo_row_expression_type(const JoRowExpression *expression)
{
	return expression->type;
}

bool
jo_row_expression_cannot_raise(const JoRowExpression *expression)
{
	return !expression->can_raise;
}

bool
jo_row_expression_needs_settings(const JoRowExpression *expression)
{
	return expression->needs_settings;
}

Datum
jo_row_expression_value(JoRowExpression *expression, TupleTableSlot *old_slot,
						TupleTableSlot *new_slot, bool *isnull)
{
	ExprContext *econtext = expression->econtext;

	econtext->ecxt_innertuple = old_slot ? old_slot : expression->nothing;
	econtext->ecxt_outertuple = new_slot ? new_slot : expression->nothing;
	econtext->ecxt_per_tuple_memory = CurrentMemoryContext;
	return ExecEvalExpr(expression->state, econtext, isnull);
}
