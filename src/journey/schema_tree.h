/*
 * journey/schema_tree.h
 *	  The compiled form of schema.json, between schema.c and schema_check.c.
 */
#ifndef JO_SCHEMA_TREE_H
#define JO_SCHEMA_TREE_H

#include "journey/schema.h"

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

extern const JoSchema *jo_schema_root(void);
extern JoJsonKind jo_json_kind(const JsonbValue *value);

#endif							/* JO_SCHEMA_TREE_H */
