// The rows for development: what restarts workers by itself.

extension Setting {
    static let developmentRows = [
        Setting(
            "reload", "--reload", .development, .toggle(\.reload),
            "Start workers anew when a file of the app changes. For development.",
            details: "Watched are the files of all modules that the app imports, those of --env-file and --config, and "
                + "--reload-extra-file. An app that cannot be loaded is answered for with its traceback, until a file "
                + "changes. Open requests have a second to end. --preload has no effect then."),
        Setting(
            "reload_engine", "--reload-engine", .development, .choice(\.reloadEngine), value: "name",
            "How --reload learns of changes: auto and inotify are told by the kernel, poll looks once a second.",
            details: "poll is for network mounts and shared folders of virtual machines, where the kernel is told of "
                + "nothing that others change."),
        Setting(
            "reload_extra_files", "--reload-extra-file", .development, .texts(\.reloadExtraFiles, .file),
            value: "file", "With --reload: a file, a folder with all below it, or a glob to watch; repeatable.",
            details: "In a glob, ** stands for any number of folders: 'templates/**/*.html'."),
        Setting(
            "reload_excludes", "--reload-exclude", .development, .texts(\.reloadExcludes, .file), value: "glob",
            "With --reload: a name, or a path, of files and folders that are not watched; repeatable.",
            details: "A glob without a slash is for names at any depth, such as '*.log' or node_modules."),
    ]
}
