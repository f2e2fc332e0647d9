/*
 * journey/schema_tree.h
 *	  The compiled form of schema.json, and what the files that walk it share.
 */
#ifndef JO_SCHEMA_TREE_H
#define JO_SCHEMA_TREE_H

#include "journey/schema.h"
#include "lib/stringinfo.h"

/* JSON types as a bit set. */
typedef enum JoJsonKind
{
	JO_JSON_NULL = 1 << 0,
	JO_JSON_BOOLEAN = 1 << 1,
	JO_JSON_NUMBER = 1 << 2,
	JO_JSON_STRING = 1 << 3,
	JO_JSON_ARRAY = 1 << 4,
	JO_JSON_OBJECT = 1 << 5
} JoJsonKind;

#define JO_JSON_ANY ((1 << 6) - 1)

/* One schema object: a field a keyword.  Zero, NULL or infinity: not given. */
typedef struct JoSchema
{
	const char *name;			/* in "$defs" */
	char	   *title;
	char	   *description;	/* the hint of a value of the wrong type */
	struct JoSchema *ref;
	int			kinds;			/* "type" */
	int			accepts;		/* JSON types that can pass at all */
	bool		is_integer;
	bool		is_not_built;
	bool		is_unique;
	bool		is_closed;		/* "additionalProperties": false */
	bool		excludes_minimum;
	int			nwords;			/* "enum", "const" */
	JsonbValue *words;
	text	   *pattern;
	double		minimum;
	double		maximum;
	int			min_length;
	int			max_length;
	int			min_count;		/* of items or properties */
	int			max_count;
	struct JoSchema *items;
	int			nproperties;
	char	  **property_names;
	struct JoSchema **properties;
	struct JoSchema *additional;
	struct JoSchema *names;		/* "propertyNames" */
	int			nrequired;
	char	  **required;
	int			nalternatives;
	struct JoSchema **alternatives; /* "oneOf" */
	int			nany;
	struct JoSchema **any_of;	/* "anyOf": "required" only */
} JoSchema;

/* ---- schema.c ---- */

extern const JoSchema *jo_schema_root(void);
extern JoJsonKind jo_json_kind(const JsonbValue *value);

/* ---- schema_check.c ---- */

/* Does "value" fit?  With "findings" everything that does not is added. */
extern bool jo_schema_walk(const JoSchema *schema, JsonbValue *value,
						   const JoPath *path, JoFindings *findings);

/* The schema of a member, or NULL when its name is not known. */
extern const JoSchema *jo_schema_property(const JoSchema *schema,
										  const JsonbValue *key);
extern bool jo_schema_has_key(JsonbValue *object, const char *key);

/* ---- schema_explain.c ---- */

/* No alternative fits: add what is wrong with the one that was meant. */
extern void jo_schema_explain(const JoSchema *schema, JsonbValue *value,
							  const JoPath *path, JoFindings *findings);

/* ---- schema_value.c ---- */

/* As jo_schema_walk(), of what the grammar asks of text and numbers. */
extern bool jo_schema_check_string(const JoSchema *schema, JsonbValue *value,
								   const JoPath *path, JoFindings *findings);
extern bool jo_schema_check_number(const JoSchema *schema, JsonbValue *value,
								   const JoPath *path, JoFindings *findings);

/* Fixed words: "enum" and "const". */
extern bool jo_schema_words_equal(const JsonbValue *a, const JsonbValue *b);
extern bool jo_schema_has_word(const JoSchema *schema,
							   const JsonbValue *value);
extern void jo_schema_append_words(StringInfo out, const JoSchema *schema);

/* What a value is for, as the hint of one that has the wrong type. */
extern const char *jo_schema_description(const JoSchema *schema);

/* A value as a message shows it: short, and on one line. */
extern char *jo_json_text(const JsonbValue *value);

/* "a string", and "a string or an object". */
extern const char *jo_json_kind_name(JoJsonKind kind);
extern char *jo_json_kinds_text(int kinds);

#endif							/* JO_SCHEMA_TREE_H */
