#define _GNU_SOURCE  // strdup, getpid
#include "pretend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        const long size = ftell(file);
        rewind(file);
        text = size > 0 ? calloc((size_t) size+1, 1) : NULL;
        if (text != NULL && fread(text, 1, (size_t) size, file) != (size_t) size) {
            free(text);
            text = NULL;
        }
    }
    fclose(file);
    return text;
}

/* The copy's name, "" without a copy. */
static void keep_image(const char *ptx, char *name, size_t size) {
    static int n_images;
    const char *folder = getenv("PRETEND_CUDA_IMAGES");
    name[0] = '\0';
    if (folder == NULL)
        return;
    pthread_mutex_lock(&pretend_lock);
    const int number = n_images++;
    pthread_mutex_unlock(&pretend_lock);
    char path[4096];
    snprintf(name, size, "%d-%03d.ptx", (int) getpid(), number);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        fputs(ptx, file);
        fclose(file);
    }
}

static CUresult load(CUmodule *out, char *ptx, const char *name) {
    if (ptx == NULL)
        return CUDA_ERROR_FILE_NOT_FOUND;
    module *made = calloc(1, sizeof *made);
    if (made == NULL || strstr(ptx, ".entry") == NULL) {
        free(ptx);
        free(made);
        return REFUSE(CUDA_ERROR_INVALID_IMAGE, "module %s: no PTX with kernels", name);
    }
    made->ptx = ptx;
    *out = (CUmodule) made;
    char image[64];
    keep_image(ptx, image, sizeof image);
    pretend_say("module %s %s", name, image);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuModuleLoad(CUmodule *out, const char *path) {
    NEED_CONTEXT("cuModuleLoad");
    NOT_WHILE_RECORDING("cuModuleLoad");
    return load(out, read_text(path), path);
}

VISIBLE CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned n_options,
                                    CUjit_option *options, void **values) {
    NEED_CONTEXT("cuModuleLoadDataEx");
    NOT_WHILE_RECORDING("cuModuleLoadDataEx");
    (void) n_options, (void) options, (void) values;
    return load(out, strdup(image), "(memory)");
}

/* Size of one element of a type: ".u64" is 8. */
static size_t type_size(const char *declaration) {
    static const struct {const char *name; size_t size;} types[] = {
        {".b8", 1}, {".u8", 1}, {".s8", 1}, {".b16", 2}, {".u16", 2}, {".s16", 2}, {".b32", 4},
        {".u32", 4}, {".s32", 4}, {".f32", 4}, {".b64", 8}, {".u64", 8}, {".s64", 8}, {".f64", 8}};
    for (size_t t = 0; t < sizeof types/sizeof types[0]; t++) {
        const char *found = strstr(declaration, types[t].name);
        if (found != NULL && strchr(" \t", found[strlen(types[t].name)]) != NULL)
            return types[t].size;
    }
    return 0;
}

/* ".align 16 .b8 name[32]" has 32 bytes. */
static size_t declared_size(const char *declaration) {
    const char *bracket = strchr(declaration, '[');
    return type_size(declaration)*(bracket != NULL ? strtoul(bracket+1, NULL, 10) : 1);
}

/* A copy of the text up to one of the characters, or its end. */
static void head(char *out, size_t size, const char *text, const char *end) {
    const size_t length = strcspn(text, end);
    snprintf(out, size, "%.*s", (int) (length < size ? length : size-1), text);
}

/* The kernel uses a parameter as an address: it is loaded into a register,
       ld.param.u64  %rd5, [NAME_param_1];
   and that is made an address of global memory,
       cvta.to.global.u64  %rd11, %rd5; */
static bool is_pointer(const function *f, int p, const char *body, const char *end) {
    char operand[MAX_NAME+32], line[MAX_NAME], source[MAX_NAME];
    snprintf(operand, sizeof operand, ", [%s_param_%d];", f->name, p);
    const char *load = strstr(body, operand);
    if (load == NULL || load > end)
        return false;
    const char *name = load;
    while (name[-1] != ' ' && name[-1] != '\t')
        name--;
    snprintf(source, sizeof source, ", %.*s", (int) (load-name), name);
    for (const char *use = load; (use = strstr(use, "cvta.to.global.u64")) && use < end; use++) {
        head(line, sizeof line, use, ";");
        if (strcmp(line+strlen(line)-strlen(source), source) == 0)
            return true;
    }
    return false;
}

static void read_parameters(function *f, const char *entry, const char *end) {
    const char *list = entry+strcspn(entry, "(")+1;
    char text[MAX_NAME];
    while (f->n_parameters < MAX_PARAMETERS && (list += strspn(list, " \t\n,"), *list == '.')) {
        const int p = f->n_parameters++;
        head(text, sizeof text, list, ",)");
        f->parameter[p].size = declared_size(text);
        f->parameter[p].pointer = f->parameter[p].size == 8 && is_pointer(f, p, entry, end);
        list += strcspn(list, ",)");
    }
}

/* Directives before the body, and the shared memory that the body declares. */
static void read_limits(function *f, const char *from, const char *end) {
    char text[MAX_NAME];
    const char *found = strstr(from, ".maxntid");
    f->block_threads = BLOCK_THREADS;
    if (found != NULL && found < end && found < strchr(from, '{')) {
        int x = 1, y = 1, z = 1;
        sscanf(found+strlen(".maxntid"), "%d , %d , %d", &x, &y, &z);
        f->block_threads = x*y*z;
    }
    for (found = from; (found = strstr(found, ".shared .align")) != NULL && found < end; found++) {
        head(text, sizeof text, found, ";");
        f->static_shared += (int) declared_size(text);
    }
}

/* Whether the kernel waits for the one before it reads or writes anything but its arguments. */
static bool waits_first(const char *from, const char *end) {
    const char *wait = strstr(from, "griddepcontrol.wait");
    if (wait == NULL || wait > end)
        return false;
    for (const char *line = strchr(from, '{'); line != NULL && line < wait;
            line = strchr(line+1, '\n'))
        for (const char *word = line+1; *word != '\n' && *word != 0; word++)
            if (strncmp(word, "ld.global", 9) == 0 || strncmp(word, "st.", 3) == 0 ||
                    strncmp(word, "atom.", 5) == 0 || strncmp(word, "red.", 4) == 0 ||
                    strncmp(word, "bra", 3) == 0)
                return false;
    return true;
}

/* The text of a kernel, from its name on; NULL if there is none. */
static const char *find_entry(const char *ptx, const char *name) {
    char found[MAX_NAME];
    while ((ptx = strstr(ptx, ".entry ")) != NULL) {
        ptx += strlen(".entry ");
        head(found, sizeof found, ptx, "( \t\n");
        if (strcmp(found, name) == 0)
            return ptx;
    }
    return NULL;
}

VISIBLE CUresult cuModuleGetFunction(CUfunction *out, CUmodule handle, const char *name) {
    const char *entry = find_entry(((module *) handle)->ptx, name);
    if (entry == NULL)
        return REFUSE(CUDA_ERROR_NOT_FOUND, "cuModuleGetFunction: no kernel %s", name);
    const char *next = strstr(entry, ".entry ");
    const char *end = next != NULL ? next : entry+strlen(entry);
    function *made = calloc(1, sizeof *made);
    if (made == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    made->in = (module *) handle;
    snprintf(made->name, sizeof made->name, "%s", name);
    read_parameters(made, entry, end);
    read_limits(made, entry, end);
    made->waits = waits_first(entry, end);
    *out = (CUfunction) made;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle) {
    const function *f = (const function *) handle;
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
        *value = f->block_threads;
    else if (attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)
        *value = f->static_shared;
    else
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuFuncGetAttribute: attribute %d", attribute);
    return CUDA_SUCCESS;
}
