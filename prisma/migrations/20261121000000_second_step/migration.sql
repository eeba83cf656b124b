-- AlterTable
ALTER TABLE "users" ADD COLUMN     "factor_version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "sessions" ADD COLUMN     "second_skipped" BOOLEAN NOT NULL DEFAULT false;
