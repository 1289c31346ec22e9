/* A PKCS#11 module that passes everything on to SoftHSM, apart from what shall fail.

   Environment: FAILING_MODULE_REAL is the module behind it, FAILING_MODULE_FAULTS a folder. A file in
   it, named after a function, holds the return code it gives, in hexadecimal. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef unsigned long Code;
typedef unsigned long Number;
typedef void *Pointer;
typedef struct {
    unsigned char version[2];
    Pointer function[68]; /* in the order of the specification */
} FunctionList;
enum { INITIALIZE = 0, GET_TOKEN_INFO = 6, DECRYPT = 34, SIGN = 43 };

static FunctionList mine, *real;

static Code fault(const char *name)
{
    char path[4096];
    Code code = 0;
    snprintf(path, sizeof path, "%s/%s", getenv("FAILING_MODULE_FAULTS"), name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lx", &code) != 1)
        code = 0;
    fclose(file);
    return code;
}

static Code initialize(Pointer arguments)
{
    Code code = fault("initialize");
    return code ? code : ((Code(*)(Pointer))real->function[INITIALIZE])(arguments);
}

static Code get_token_info(Number slot, Pointer info)
{
    Code code = fault("token-info");
    return code ? code : ((Code(*)(Number, Pointer))real->function[GET_TOKEN_INFO])(slot, info);
}

static Code decrypt(Number session, Pointer in, Number size, Pointer out, Pointer out_size)
{
    Code (*pass)(Number, Pointer, Number, Pointer, Pointer) = real->function[DECRYPT];
    Code code = fault("decrypt");
    return code ? code : pass(session, in, size, out, out_size);
}

static Code sign(Number session, Pointer in, Number size, Pointer out, Pointer out_size)
{
    Code (*pass)(Number, Pointer, Number, Pointer, Pointer) = real->function[SIGN];
    Code code = fault("sign");
    return code ? code : pass(session, in, size, out, out_size);
}

Code C_GetFunctionList(FunctionList **out)
{
    if (real == NULL) {
        Pointer library = dlopen(getenv("FAILING_MODULE_REAL"), RTLD_NOW);
        Code (*list)(FunctionList **) = dlsym(library, "C_GetFunctionList");
        list(&real);
        mine = *real;
        mine.function[3] = C_GetFunctionList;
        mine.function[INITIALIZE] = initialize;
        mine.function[GET_TOKEN_INFO] = get_token_info;
        mine.function[DECRYPT] = decrypt;
        mine.function[SIGN] = sign;
    }
    *out = &mine;
    return 0;
}
