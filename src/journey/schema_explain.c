/*
 * journey/schema_explain.c
 *	  When none of several forms fits: says what is wrong with the one meant.
 *
 * Listing what each form of the grammar misses would bury the author.  So the
 * form that he most likely meant is found by its keys (a step by its verb) and
 * walked loudly; where none is near, the forms are named.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "journey/schema_tree.h"

/* Alternatives are told apart by their first required key: the verb of a step. */
static const char *
distinctive_key(const JoSchema *alternative)
{
	if (alternative->ref)
		return distinctive_key(alternative->ref);
	return alternative->nrequired > 0 ? alternative->required[0] : NULL;
}

/* How well the keys of an object fit: those required that are there count
 * most, those unknown count against it. */
static int
fitness(const JoSchema *alternative, JsonbValue *object)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	int			result = 0;

	while (alternative->ref)
		alternative = alternative->ref;
	for (int i = 0; i < alternative->nrequired; i++)
		result += jo_schema_has_key(object, alternative->required[i]) ? 4 : 0;
	iterator = JsonbIteratorInit(object->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && jo_schema_property(alternative, &key) == NULL)
			result--;
	}
	return result;
}

/* A step without a verb, or with several.  False when it has exactly one. */
static bool
explain_verbs(const JoSchema *schema, JsonbValue *object, const JoPath *path,
			  JoFindings *findings)
{
	const char **verbs = palloc(sizeof(char *) * schema->nalternatives);
	StringInfoData present;
	int			n = 0;

	initStringInfo(&present);
	for (int i = 0; i < schema->nalternatives; i++)
	{
		verbs[i] = distinctive_key(schema->alternatives[i]);
		if (!jo_schema_has_key(object, verbs[i]))
			continue;
		appendStringInfo(&present, "%s\"%s\"", n++ > 0 ? " and " : "", verbs[i]);
	}
	if (n == 1)
		return false;
	if (n > 1)
		jo_finding_add(findings, JO_FINDING_TWO_VERBS, path, NULL,
					   "step has the verbs %s", present.data);
	else
	{
		JsonbIterator *iterator = JsonbIteratorInit(object->val.binary.data);
		JsonbIteratorToken token;
		JsonbValue	key;
		const char *closest = NULL;

		while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		{
			if (token == WJB_KEY && closest == NULL)
				closest = jo_closest(key.val.string.val, key.val.string.len,
									 verbs, schema->nalternatives);
		}
		jo_finding_add(findings, JO_FINDING_NO_VERB, path,
					   closest ? psprintf("Perhaps you mean \"%s\".", closest) : NULL,
					   "step has no verb");
	}
	return true;
}

void
jo_schema_explain(const JoSchema *schema, JsonbValue *value, const JoPath *path,
				  JoFindings *findings)
{
	JoJsonKind	kind = jo_json_kind(value);
	const JoSchema *best = NULL;
	int			best_fitness = 0;
	StringInfoData words;

	if (kind == JO_JSON_OBJECT && schema->name && strcmp(schema->name, "step") == 0 &&
		explain_verbs(schema, value, path, findings))
		return;

	initStringInfo(&words);
	for (int i = 0; i < schema->nalternatives; i++)
	{
		const JoSchema *alternative = schema->alternatives[i];
		const char *key = distinctive_key(alternative);
		int			fit;

		if (!(alternative->accepts & kind))
			continue;
		jo_schema_append_words(&words, alternative);
		if (kind == JO_JSON_OBJECT && key != NULL && !jo_schema_has_key(value, key))
			continue;
		fit = kind == JO_JSON_OBJECT ? fitness(alternative, value) : 0;
		if (best == NULL || fit > best_fitness)
		{
			best = alternative;
			best_fitness = fit;
		}
	}
	if (words.len > 0)
		jo_finding_add(findings, JO_FINDING_WRONG_VALUE, path,
					   psprintf("It must be one of %s, or another form of the grammar.", words.data),
					   "%s is not known here", jo_json_text(value));
	else if (best != NULL)
		(void) jo_schema_walk(best, value, path, findings);
	else
	{
		StringInfoData forms;
		const char *previous = "";

		initStringInfo(&forms);
		for (int i = 0; i < schema->nalternatives; i++)
		{
			const char *key = distinctive_key(schema->alternatives[i]);

			if (key && strcmp(key, previous) != 0)
				appendStringInfo(&forms, "%s\"%s\"", forms.len > 0 ? ", " : "", key);
			previous = key ? key : "";
		}
		jo_finding_add(findings, JO_FINDING_WRONG_FORM, path,
					   psprintf("It must have one of the keys %s.", forms.data),
					   "object is none of the forms of the grammar");
	}
}
