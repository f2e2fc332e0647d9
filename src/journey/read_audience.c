/*
 * journey/read_audience.c
 *	  An audience: a query of an author whose first column names customers.
 *
 * It is worked off in pages by customer id, so what is compiled is one
 * expression over the author's query: the array of the next ids after
 * context->>'after', at most context->>'limit' of them, each once, in the order
 * of their bytes.  As any expression it runs as its owner, read-only, with the
 * rules of expressions (core/expression.h).
 *
 * The author's text alone is compiled first, in a scope without "context": that
 * gives errors their position in it, and refuses what is no query by itself.  A
 * text that is one in both places is one; whatever else it is, its owner's
 * rights are all it has.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "journey/reader.h"

#define ALONE_BEFORE "EXISTS("
#define PAGE_BEFORE "ARRAY(SELECT jo_page.id FROM (SELECT DISTINCT (jo_audience.id)::text COLLATE \"C\" AS id FROM ("
#define PAGE_AFTER ") AS jo_audience(id)) AS jo_page" \
	" WHERE jo_page.id > context->>'after' AND octet_length(jo_page.id) <= 1000" \
	" ORDER BY 1 LIMIT (context->>'limit')::integer)"

/*
 * Compile "sql" between "before" and "after"; an error's position becomes one
 * in "sql", or 0.
 */
static JoExpression *
compile_between(const char *before, const char *sql, const char *after,
				Oid type, Oid owner, const JoScope *scope, JoError **error)
{
	JoExpression *expression;

	/* the line ends a comment at the end of the text */
	expression = jo_expression_compile(psprintf("%s%s\n%s", before, sql, after),
									   type, owner, scope, error);
	if (*error != NULL)
	{
		(*error)->position -= strlen(before);
		if ((*error)->position < 1 || (*error)->position > strlen(sql))
			(*error)->position = 0;
	}
	return expression;
}

JoExpression *
jo_audience_compile(const char *sql, Oid owner, bool checks_rights,
					JoError **error)
{
	JoScope		scope = {
		.variables = JO_USES_EVENT | JO_USES_JOURNEY,
		.checks_rights = checks_rights
	};

	*error = NULL;
	if (compile_between(ALONE_BEFORE, sql, ")", BOOLOID, owner, &scope,
						error) == NULL)
		return NULL;
	scope.variables |= JO_USES_CONTEXT;
	return compile_between(PAGE_BEFORE, sql, PAGE_AFTER, TEXTARRAYOID, owner,
						   &scope, error);
}

JoExpression *
jo_read_audience(JoReader *reader, JsonbValue *object, const char *key,
				 const JoPath *parent)
{
	JsonbValue	value;
	JoPath		path;
	JoError    *error;
	JoExpression *expression;

	if (!jo_read_member(object, key, parent, &value, &path) ||
		value.type != jbvString || value.val.string.len == 0)
		return NULL;
	expression = jo_audience_compile(jo_value_string(&value), reader->owner,
									 reader->is_for_author, &error);
	if (expression == NULL)
		jo_add_expression_finding(reader, &path, error);
	return expression;
}
