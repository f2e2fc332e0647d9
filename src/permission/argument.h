/*
 * permission/argument.h
 *	  Arguments of this room's SQL functions, and how they write.
 */
#ifndef JO_PERMISSION_ARGUMENT_H
#define JO_PERMISSION_ARGUMENT_H

#include "fmgr.h"

/* Raise 22004 where the argument is NULL. */
extern void jo_argument_ensure(FunctionCallInfo fcinfo, int argument,
							   const char *function, const char *name);

/*
 * A text that must be there, not be empty and fit into an index (200 bytes);
 * raises 22004 or 22023 naming function and argument.
 */
extern char *jo_argument_text(FunctionCallInfo fcinfo, int argument,
							  const char *function, const char *name);

/* As above, but NULL for NULL. */
extern char *jo_argument_name(FunctionCallInfo fcinfo, int argument,
							  const char *function, const char *name);

/* An optional text of any length; NULL for NULL and the empty string. */
extern char *jo_argument_optional(FunctionCallInfo fcinfo, int argument);

/* Raise 22023 unless "value" is of the list, which ends with NULL. */
extern void jo_argument_one_of(const char *name, const char *value,
							   const char *const *list);

/* ---- writing: parameters of one statement ---- */

#define JO_PARAMETERS 16

typedef struct JoParameters
{
	int			n;
	Oid			types[JO_PARAMETERS];
	Datum		values[JO_PARAMETERS];
	char		nulls[JO_PARAMETERS];
} JoParameters;

/* The next parameter; a NULL text or "isnull" is SQL NULL. */
extern void jo_parameter_text(JoParameters *parameters, const char *value);
extern void jo_parameter(JoParameters *parameters, Oid type, Datum value,
						 bool isnull);

/* Execute inside SPI; returns how many rows it returned or changed. */
extern uint64 jo_parameters_execute(JoParameters *parameters,
									const char *sql);

#endif							/* JO_PERMISSION_ARGUMENT_H */
