/*
 * core/expression_keys.c
 *	  Which members of the run's context an expression names.
 *
 * For whoever warns of a name that nobody sets.  Only what is written out is
 * found: context->'x', context->>'x', context['x'], context#>'{x,...}' and
 * context#>>'{x,...}'.  A key that is computed, and a use of the whole object,
 * are passed over in silence.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "core/expression_private.h"

/* The column of the entry of variables that is "context". */
#define CONTEXT_COLUMN 4

typedef struct Walk
{
	int			depth;			/* of sub-selects */
	List	   *keys;			/* char * */
} Walk;

static bool
is_context(const Walk *walk, Node *node)
{
	const Var  *column;

	if (node == NULL || !IsA(node, Var))
		return false;
	column = castNode(Var, node);
	return column->varno == 1 && column->varlevelsup == walk->depth &&
		column->varattno == CONTEXT_COLUMN;
}

/* The text of a constant, or the first element of one of type text[]; NULL:
 * it is neither. */
static char *
constant_key(Node *node)
{
	const Const *constant;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (node == NULL || !IsA(node, Const))
		return NULL;
	constant = castNode(Const, node);
	if (constant->constisnull)
		return NULL;
	if (constant->consttype == TEXTOID)
		return TextDatumGetCString(constant->constvalue);
	if (constant->consttype != TEXTARRAYOID)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(constant->constvalue), TEXTOID, -1,
					  false, TYPALIGN_INT, &elements, &nulls, &n);
	return n > 0 && !nulls[0] ? TextDatumGetCString(elements[0]) : NULL;
}

static void
add_key(Walk *walk, char *key)
{
	ListCell   *cell;

	if (key == NULL)
		return;
	foreach(cell, walk->keys)
	{
		if (strcmp(lfirst(cell), key) == 0)
			return;
	}
	walk->keys = lappend(walk->keys, key);
}

static bool
collect(Node *node, void *arg)
{
	Walk	   *walk = arg;

	if (node == NULL)
		return false;
	if (IsA(node, OpExpr))
	{
		OpExpr	   *operator = castNode(OpExpr, node);

		if ((operator->opfuncid == F_JSONB_OBJECT_FIELD ||
			 operator->opfuncid == F_JSONB_OBJECT_FIELD_TEXT ||
			 operator->opfuncid == F_JSONB_EXTRACT_PATH ||
			 operator->opfuncid == F_JSONB_EXTRACT_PATH_TEXT) &&
			is_context(walk, linitial(operator->args)))
			add_key(walk, constant_key(lsecond(operator->args)));
	}
	else if (IsA(node, SubscriptingRef))
	{
		SubscriptingRef *subscript = castNode(SubscriptingRef, node);

		if (is_context(walk, (Node *) subscript->refexpr) &&
			subscript->refupperindexpr != NIL)
			add_key(walk, constant_key(linitial(subscript->refupperindexpr)));
	}
	else if (IsA(node, Query))
	{
		bool		result;

		walk->depth++;
		result = query_tree_walker(castNode(Query, node), collect, walk, 0);
		walk->depth--;
		return result;
	}
	return expression_tree_walker(node, collect, walk);
}

/* Distinct keys (char *) of an analysed tree, in CurrentMemoryContext. */
List *
jo_expression_find_keys(Node *tree)
{
	Walk		walk = {0, NIL};

	(void) collect(tree, &walk);
	return walk.keys;
}
