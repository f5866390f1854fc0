/* The example md_in_c as a user runs it: output, exit status, messages. It lies in the folder of
   this test. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/wait.h>

static char folder[1024];

/* --plugins of the build; empty: the example looks for itself. */
static char plugins[2048];

/* Run the example; its exit status, or -1 if it died. text holds stdout and stderr. */
static int run_example(const char *arguments, char *text, size_t size) {
    char command[8192];
    snprintf(command, sizeof command, "'%s/md_in_c' %s %s 2>&1", folder, arguments, plugins);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return -1;
    const size_t n = fread(text, 1, size - 1, pipe);
    text[n] = 0;
    while (fgetc(pipe) != EOF)
        ;
    const int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_run(const char *arguments, int expected_status, const char *expected_text) {
    static char text[1 << 16];
    const int status = run_example(arguments, text, sizeof text);
    check_count++;
    if (status != expected_status || !strstr(text, expected_text))
        CHECK_SAY("md_in_c %s: expected status %d and \"%s\", found status %d:\n%s", arguments,
                  expected_status, expected_text, status, text);
}

/* Ten reports follow the first; the temperature is the last number of each. */
static void test_table(const char *model) {
    static char text[1 << 16];
    char arguments[2048];
    snprintf(arguments, sizeof arguments, "'%s' 40 --platform Reference", model);
    CHECK(run_example(arguments, text, sizeof text) == 0);
    CHECK(strstr(text, "# platform Reference") != NULL);
    int rows = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        double time, potential, kinetic, temperature;
        if (sscanf(line, "%lf %lf %lf %lf", &time, &potential, &kinetic, &temperature) != 4)
            continue;
        CHECK_NEAR(0.002 * rows, time, 1e-4);
        CHECK(temperature > 50 && temperature < 700);
        rows++;
    }
    CHECK(rows == 11);
}

/* Without --plugins: OPENMM_PLUGIN_DIR, as in all of OpenMM. tests/python/test_c_example.py has an
   installation. */
static void test_default_plugins(const char *model) {
    char arguments[2048];
    plugins[0] = 0;
    snprintf(arguments, sizeof arguments, "'%s' 10 --platform Reference", model);
    setenv("OPENMM_PLUGIN_DIR", getenv("MLFF_PLUGINS"), 1);
    check_run(arguments, 0, "# platform Reference");
    setenv("OPENMM_PLUGIN_DIR", getenv("MLFF_MODELS"), 1);
    check_run(arguments, 1, "no plugin of MLFFForce was found in ");
    check_run(arguments, 1, getenv("MLFF_MODELS"));
    check_run(arguments, 1, "--plugins FOLDER");
    unsetenv("OPENMM_PLUGIN_DIR");
}

int main(int argc, char **argv) {
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    snprintf(folder, sizeof folder, "%.*s", slash ? (int) (slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    const char *model = check_path("MLFF_MODELS", "painn-hcno-distilled.safetensors");
    const char *no_nitrogen = check_path("MLFF_TEST_DATA", "painn/untrained-8x2.safetensors");
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* OpenMM leaks a Context that cannot be made */
    char arguments[2048];
    const char *openmm = getenv("OPENMM_PLUGINS");
    if (openmm)
        snprintf(plugins, sizeof plugins, "--plugins '%s'", openmm);
    const size_t n = strlen(plugins);
    snprintf(plugins + n, sizeof plugins - n, " --plugins '%s'", getenv("MLFF_PLUGINS"));
    test_table(model);

    check_run("no-such-model", 1, "no-such-model");
    snprintf(arguments, sizeof arguments, "'%s' --platform Abacus", model);
    check_run(arguments, 1, "no platform 'Abacus'");
    snprintf(arguments, sizeof arguments, "'%s' -5", model);
    check_run(arguments, 1, "-5");
    snprintf(arguments, sizeof arguments, "'%s' ten", model);
    check_run(arguments, 1, "STEPS is 'ten'");
    snprintf(arguments, sizeof arguments, "'%s' --plugins /no-such-folder", model);
    check_run(arguments, 1, "/no-such-folder");
    snprintf(arguments, sizeof arguments, "'%s' --platform Reference", no_nitrogen);
    check_run(arguments, 1, "particle 3");
    test_default_plugins(model);
    check_run("", 1, "usage");
    snprintf(arguments, sizeof arguments, "'%s' --plugins", model);
    check_run(arguments, 1, "--plugins");
    return check_report("example md_in_c");
}
