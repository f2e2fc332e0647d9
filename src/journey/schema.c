/*
 * journey/schema.c
 *	  The grammar of definitions: schema.json, loaded once a backend.
 *
 * schema.json is the only source of the grammar: the build puts its text into
 * schema_text.inc, this file turns it into a tree of JoSchema, and
 * schema_check.c walks a definition along it.  So the structural checks accept
 * exactly what the published schema accepts.
 *
 * Only the keywords of JSON Schema 2020-12 that schema.json uses are known; an
 * unknown one raises, so that a keyword cannot be added and silently ignored.
 * "x-not-built" is our own annotation.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "journey/schema_tree.h"

static const char schema_text[] =
#include "journey/schema_text.inc"
		   ;

/* A "$defs" entry, compiled when first referred to. */
typedef struct Definition
{
	char	   *name;
	JsonbValue	value;
	JoSchema   *schema;
} Definition;

static JoSchema *root_schema = NULL;
static Definition *definitions = NULL;
static int	ndefinitions = 0;

static JoSchema *compile(JsonbValue *value);

void
jo_json_root(Jsonb *jsonb, JsonbValue *value)
{
	if (JB_ROOT_IS_SCALAR(jsonb))
		(void) JsonbExtractScalar(&jsonb->root, value);
	else
		JsonbToJsonbValue(jsonb, value);
}

Jsonb *
jo_schema_json(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(schema_text)));
}

JoJsonKind
jo_json_kind(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return JO_JSON_NULL;
		case jbvBool:
			return JO_JSON_BOOLEAN;
		case jbvNumeric:
			return JO_JSON_NUMBER;
		case jbvString:
			return JO_JSON_STRING;
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ?
				JO_JSON_ARRAY : JO_JSON_OBJECT;
		default:
			elog(ERROR, "unexpected jsonb value type %d", (int) value->type);
	}
}

static bool
key_is(const JsonbValue *key, const char *name)
{
	return key->val.string.len == strlen(name) &&
		memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

static char *
string_of(const JsonbValue *value)
{
	Assert(value->type == jbvString);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static double
number_of(const JsonbValue *value)
{
	Assert(value->type == jbvNumeric);
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(value->val.numeric)));
}

/* The elements of an array value, in order; *n is how many. */
static JsonbValue *
elements_of(JsonbValue *value, int *n)
{
	JsonbContainer *container = value->val.binary.data;
	JsonbValue *result;

	*n = JsonContainerSize(container);
	result = palloc(sizeof(JsonbValue) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		result[i] = *getIthJsonbValueFromContainer(container, i);
	return result;
}

static char **
strings_of(JsonbValue *value, int *n)
{
	JsonbValue *elements = elements_of(value, n);
	char	  **result = palloc(sizeof(char *) * Max(*n, 1));

	for (int i = 0; i < *n; i++)
		result[i] = string_of(&elements[i]);
	return result;
}

static JoSchema **
schemas_of(JsonbValue *value, int *n)
{
	JsonbValue *elements = elements_of(value, n);
	JoSchema  **result = palloc(sizeof(JoSchema *) * Max(*n, 1));

	for (int i = 0; i < *n; i++)
		result[i] = compile(&elements[i]);
	return result;
}

/* The schema that "#/$defs/<name>" points to. */
static JoSchema *
resolve(const char *reference)
{
	static const char prefix[] = "#/$defs/";

	if (strncmp(reference, prefix, strlen(prefix)) == 0)
	{
		for (int i = 0; i < ndefinitions; i++)
		{
			Definition *definition = &definitions[i];

			if (strcmp(definition->name, reference + strlen(prefix)) != 0)
				continue;
			if (definition->schema == NULL)
			{
				definition->schema = compile(&definition->value);
				definition->schema->name = definition->name;
			}
			return definition->schema;
		}
	}
	elog(ERROR, "schema.json refers to \"%s\", which does not exist", reference);
}

static int
kind_of_type(const char *type)
{
	static const struct
	{
		const char *name;
		int			kinds;
	}			types[] = {
		{"null", JO_JSON_NULL}, {"boolean", JO_JSON_BOOLEAN},
		{"number", JO_JSON_NUMBER}, {"integer", JO_JSON_NUMBER},
		{"string", JO_JSON_STRING}, {"array", JO_JSON_ARRAY},
		{"object", JO_JSON_OBJECT}
	};

	for (int i = 0; i < lengthof(types); i++)
	{
		if (strcmp(type, types[i].name) == 0)
			return types[i].kinds;
	}
	elog(ERROR, "schema.json names type \"%s\"", type);
}

/* "properties" or "$defs": name and value of every member. */
static void
compile_properties(JoSchema *schema, JsonbValue *value)
{
	JsonbIterator *iterator = JsonbIteratorInit(value->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	member;
	int			n = 0;

	schema->nproperties = JsonContainerSize(value->val.binary.data);
	schema->property_names = palloc(sizeof(char *) * schema->nproperties);
	schema->properties = palloc(sizeof(JoSchema *) * schema->nproperties);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			schema->property_names[n] = string_of(&member);
		else if (token == WJB_VALUE)
			schema->properties[n++] = compile(&member);
	}
}

static void
compile_additional(JoSchema *schema, JsonbValue *value)
{
	if (value->type == jbvBool)
		schema->is_closed = !value->val.boolean;
	else
		schema->additional = compile(value);
}

/* The keywords about numbers and sizes; false when "key" is none of them. */
static bool
compile_limit(JoSchema *schema, JsonbValue *key, JsonbValue *value)
{
	if (key_is(key, "minimum"))
		schema->minimum = number_of(value);
	else if (key_is(key, "exclusiveMinimum"))
	{
		schema->minimum = number_of(value);
		schema->excludes_minimum = true;
	}
	else if (key_is(key, "maximum"))
		schema->maximum = number_of(value);
	else if (key_is(key, "minLength"))
		schema->min_length = (int) number_of(value);
	else if (key_is(key, "maxLength"))
		schema->max_length = (int) number_of(value);
	else if (key_is(key, "minItems") || key_is(key, "minProperties"))
		schema->min_count = (int) number_of(value);
	else if (key_is(key, "maxItems") || key_is(key, "maxProperties"))
		schema->max_count = (int) number_of(value);
	else
		return false;
	return true;
}

static void
compile_keyword(JoSchema *schema, JsonbValue *key, JsonbValue *value)
{
	if (compile_limit(schema, key, value))
		return;
	if (key_is(key, "$ref"))
	{
		char	   *reference = string_of(value);

		schema->ref = resolve(reference);
	}
	else if (key_is(key, "type"))
	{
		char	   *type = string_of(value);

		schema->kinds = kind_of_type(type);
		schema->is_integer = strcmp(type, "integer") == 0;
	}
	else if (key_is(key, "enum"))
		schema->words = elements_of(value, &schema->nwords);
	else if (key_is(key, "const"))
	{
		schema->words = palloc(sizeof(JsonbValue));
		schema->words[0] = *value;
		schema->nwords = 1;
	}
	else if (key_is(key, "pattern"))
		schema->pattern = cstring_to_text(string_of(value));
	else if (key_is(key, "uniqueItems"))
		schema->is_unique = value->val.boolean;
	else if (key_is(key, "items"))
		schema->items = compile(value);
	else if (key_is(key, "properties"))
		compile_properties(schema, value);
	else if (key_is(key, "additionalProperties"))
		compile_additional(schema, value);
	else if (key_is(key, "propertyNames"))
		schema->names = compile(value);
	else if (key_is(key, "required"))
		schema->required = strings_of(value, &schema->nrequired);
	else if (key_is(key, "oneOf"))
		schema->alternatives = schemas_of(value, &schema->nalternatives);
	else if (key_is(key, "anyOf"))
		schema->any_of = schemas_of(value, &schema->nany);
	else if (key_is(key, "title"))
		schema->title = string_of(value);
	else if (key_is(key, "description"))
		schema->description = string_of(value);
	else if (key_is(key, "x-not-built"))
		schema->is_not_built = value->val.boolean;
	else if (!key_is(key, "$schema") && !key_is(key, "$id") &&
			 !key_is(key, "$defs") && !key_is(key, "$comment") &&
			 !key_is(key, "default") && !key_is(key, "examples"))
		elog(ERROR, "schema.json uses keyword \"%s\"", string_of(key));
}

/* Which JSON types a schema can accept at all, from its type, words and
 * alternatives: this is how an alternative of oneOf is chosen to explain. */
static void
derive_kinds(JoSchema *schema)
{
	int			kinds = schema->kinds ? schema->kinds : JO_JSON_ANY;
	int			of_parts = 0;

	if (schema->ref)
		kinds &= schema->ref->accepts;
	for (int i = 0; i < schema->nwords; i++)
		of_parts |= jo_json_kind(&schema->words[i]);
	for (int i = 0; i < schema->nalternatives; i++)
		of_parts |= schema->alternatives[i]->accepts;
	schema->accepts = of_parts ? kinds & of_parts : kinds;
}

static JoSchema *
compile(JsonbValue *value)
{
	JoSchema   *schema = palloc0(sizeof(JoSchema));
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key = {0};
	JsonbValue	member;

	schema->minimum = -get_float8_infinity();
	schema->maximum = get_float8_infinity();
	schema->max_length = PG_INT32_MAX;
	schema->max_count = PG_INT32_MAX;

	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = member;
		else if (token == WJB_VALUE)
			compile_keyword(schema, &key, &member);
	}
	derive_kinds(schema);
	return schema;
}

static void
collect_definitions(JsonbValue *root)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	defs;
	JsonbValue	member;
	int			n = 0;

	if (!getKeyJsonValueFromContainer(root->val.binary.data, "$defs", 5, &defs))
		elog(ERROR, "schema.json has no \"$defs\"");
	ndefinitions = JsonContainerSize(defs.val.binary.data);
	definitions = palloc0(sizeof(Definition) * ndefinitions);
	iterator = JsonbIteratorInit(defs.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			definitions[n].name = string_of(&member);
		else if (token == WJB_VALUE)
			definitions[n++].value = member;
	}
}

/*
 * The root of the tree.  Loaded on first use into a context of its own that
 * lives as long as the backend; when loading raises, the next call starts
 * again.
 */
const JoSchema *
jo_schema_root(void)
{
	MemoryContext oldcontext;
	MemoryContext context;
	JsonbValue	value;

	if (root_schema != NULL)
		return root_schema;

	context = AllocSetContextCreate(CurrentMemoryContext, "journey_orch schema",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	jo_json_root(jo_schema_json(), &value);
	collect_definitions(&value);
	root_schema = compile(&value);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextSetParent(context, TopMemoryContext);
	return root_schema;
}
