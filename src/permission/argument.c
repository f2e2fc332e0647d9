/*
 * permission/argument.c
 *	  Checks arguments of SQL functions, and hands values to SPI.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "core/errors.h"
#include "permission/argument.h"

/* As long as a label of a definition may be. */
#define NAME_BYTES 200

void
jo_argument_ensure(FunctionCallInfo fcinfo, int argument,
				   const char *function, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						name, function)));
}

char *
jo_argument_text(FunctionCallInfo fcinfo, int argument, const char *function,
				 const char *name)
{
	char	   *value;

	jo_argument_ensure(fcinfo, argument, function, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() must not be empty",
						name, function)));
	if (strlen(value) > NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() is longer than %d bytes",
						name, function, NAME_BYTES)));
	return value;
}

char *
jo_argument_name(FunctionCallInfo fcinfo, int argument, const char *function,
				 const char *name)
{
	return PG_ARGISNULL(argument) ? NULL :
		jo_argument_text(fcinfo, argument, function, name);
}

char *
jo_argument_optional(FunctionCallInfo fcinfo, int argument)
{
	char	   *value;

	if (PG_ARGISNULL(argument))
		return NULL;
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	return value[0] == '\0' ? NULL : value;
}

void
jo_argument_one_of(const char *name, const char *value,
				   const char *const *list)
{
	StringInfoData allowed;

	initStringInfo(&allowed);
	for (int i = 0; list[i] != NULL; i++)
	{
		if (strcmp(value, list[i]) == 0)
			return;
		appendStringInfo(&allowed, "%s%s", i > 0 ? ", " : "", list[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s \"%s\"", name, jo_clipped(value)),
			 errhint("It is one of %s.", allowed.data)));
}

void
jo_parameter(JoParameters *parameters, Oid type, Datum value, bool isnull)
{
	Assert(parameters->n < JO_PARAMETERS);
	parameters->types[parameters->n] = type;
	parameters->values[parameters->n] = isnull ? (Datum) 0 : value;
	parameters->nulls[parameters->n] = isnull ? 'n' : ' ';
	parameters->n++;
}

void
jo_parameter_text(JoParameters *parameters, const char *value)
{
	jo_parameter(parameters, TEXTOID,
				 value == NULL ? (Datum) 0 : CStringGetTextDatum(value),
				 value == NULL);
}

uint64
jo_parameters_execute(JoParameters *parameters, const char *sql)
{
	if (SPI_execute_with_args(sql, parameters->n,
							  parameters->types,
							  parameters->values,
							  parameters->nulls, false, 0) < 0)
		elog(ERROR, "could not write a rule: %s",
			 SPI_result_code_string(SPI_result));
	return SPI_processed;
}
