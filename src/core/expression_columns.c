/*
 * core/expression_columns.c
 *	  Which columns of the customer's row an expression reads.
 *
 * For whoever has to know when a value may have changed without evaluating it.
 * Only the plain form is answered: a sub-select reads what it likes.  The answer
 * errs towards "something else may change it".
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "core/expression_private.h"

/* The column of the entry of variables that is "customer". */
#define CUSTOMER_COLUMN 2

typedef struct Walk
{
	Oid			customer_type;
	Bitmapset  *columns;
} Walk;

/* An author's function that may give another value for the same arguments. */
static bool
is_unsteady(Oid function, void *arg)
{
	return function >= FirstNormalObjectId &&
		func_volatile(function) != PROVOLATILE_IMMUTABLE;
}

static bool
is_customer(Node *node)
{
	return IsA(node, Var) &&
		castNode(Var, node)->varattno == CUSTOMER_COLUMN;
}

static void
add_all_columns(Walk *walk)
{
	TupleDesc	descriptor = lookup_rowtype_tupdesc(walk->customer_type, -1);

	for (int i = 0; i < descriptor->natts; i++)
		if (!TupleDescAttr(descriptor, i)->attisdropped)
			walk->columns = bms_add_member(walk->columns, i + 1);
	ReleaseTupleDesc(descriptor);
}

/* Collects columns; true when it meets an unsteady function. */
static bool
collect(Node *node, void *arg)
{
	Walk	   *walk = arg;

	if (node == NULL)
		return false;
	if (IsA(node, FieldSelect) &&
		is_customer((Node *) castNode(FieldSelect, node)->arg))
	{
		walk->columns = bms_add_member(walk->columns,
									   castNode(FieldSelect, node)->fieldnum);
		return false;
	}
	if (is_customer(node))
	{
		add_all_columns(walk);
		return false;
	}
	if (check_functions_in_node(node, is_unsteady, NULL))
		return true;
	return expression_tree_walker(node, collect, walk);
}

bool
jo_expression_customer_columns(const JoExpression *expression,
							   Bitmapset **columns, bool *is_strict)
{
	Walk		walk = {expression->scope.customer_type, NULL};
	Node	   *tree;

	*columns = NULL;
	*is_strict = false;
	if (!expression->is_plain || expression->state == NULL)
		return false;
	tree = (Node *) expression->state->expr;
	if (collect(tree, &walk))
		return false;
	*columns = walk.columns;
	*is_strict = !contain_nonstrict_functions(tree);
	return true;
}
